//! A single question.

use anyhow::{Context as _, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Generator, Place, http};

impl Generator {
    /// The body of the answer to one HTTP request, which must be status 200.
    pub(crate) fn get(&self, place: &Place, path: &str) -> Result<Vec<u8>> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        let asked = async {
            let mut wire = place.connect().await?;
            wire.write_all(request.as_bytes()).await?;
            wire.flush().await?;
            let mut received = Vec::new();
            loop {
                anyhow::ensure!(wire.read_buf(&mut received).await? > 0, "the server closed the connection");
                if let Some(answer) = http::Answer::read(&received)? {
                    return Ok(answer.ok()?.to_vec());
                }
            }
        };
        self.runtime().block_on(asked).with_context(|| format!("GET {path} at {place}"))
    }
}
