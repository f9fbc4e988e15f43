//! A customer's node: its directory, and its daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use super::programs::{json, program};
use super::{Dir, JournalMeter};
use crate::drive::Place;
use crate::process::{Process, Server};

/// A provisioned node, whether it runs or not.
#[derive(Debug)]
pub(crate) struct Site {
    dir: Dir,
    name: String,
}

impl Site {
    pub(super) fn new(dir: Dir, trust_root: &Path, name: &str) -> Result<Self> {
        // Whatever /etc says about a real node of this machine.
        fs::write(dir.join("node.toml"), "")?;
        let site = Self { dir, name: name.to_owned() };
        site.ask(&["init", "--trust", &trust_root.display().to_string(), "--name", name])?;
        Ok(site)
    }

    pub(super) fn request(&self, out: &Path, join: &str) -> Result<()> {
        self.ask(&["request", "--out", &out.display().to_string(), "--join", join]).map(drop)
    }

    pub(super) fn import(&self, bundle: &Path) -> Result<()> {
        self.ask(&["import", &bundle.display().to_string()]).map(drop)
    }

    /// The SKU of what was sold to this site as `product`.
    pub(crate) fn sku(&self, product: &str) -> String {
        format!("{product}-{}", self.name)
    }

    /// Starts the daemon.
    pub(crate) fn run(&self) -> Result<Node> {
        let mut run = self.command(&["run", "--listen", "127.0.0.1:0"])?;
        let server = Server::start(&mut run, &self.path("node.log"))?;
        let tls = Place::Tls(server.word("https://")?.parse()?);
        Ok(Node { server, plain: Place::Unix(self.data().join("node.sock")), tls })
    }

    /// Counts what is written to the journal from now on.
    pub(crate) fn journal(&self) -> Result<JournalMeter> {
        JournalMeter::start(self.journal_dir())
    }

    /// All of its journal.
    pub(crate) fn journal_from_the_start(&self) -> JournalMeter {
        JournalMeter::from_the_start(self.journal_dir())
    }

    pub(crate) fn journal_dir(&self) -> PathBuf {
        self.data().join("journal")
    }

    /// What lies beside the data.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("node")
    }

    fn ask(&self, args: &[&str]) -> Result<Value> {
        json(self.command(args)?.arg("--json"))
    }

    fn command(&self, args: &[&str]) -> Result<Command> {
        let mut node = program("leasehold-node")?;
        node.args(args).arg("--data").arg(self.data()).arg("--config").arg(self.path("node.toml"));
        Ok(node)
    }
}

/// A daemon that serves.
#[derive(Debug)]
pub(crate) struct Node {
    server: Server,
    /// Its Unix socket: the only door of a node without TLS.
    pub(crate) plain: Place,
    pub(crate) tls: Place,
}

impl Node {
    pub(crate) fn process(&self) -> Process {
        self.server.process()
    }

    pub(crate) fn kill(self) {
        self.server.kill();
    }
}
