//! A hostile network: thousands of connections that say nothing, little, slowly or nonsense, while one good client is
//! answered in time, each time.

use std::fs;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use leasehold_net::{Address, ClientTls, Connection, ServerKey, Timeouts, limits};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use crate::site::Site;
use crate::vendor::Vendor;

/// Connections that never finish a handshake.
const SILENT: usize = 10_000;
/// How many of them are opened at once.
const AT_ONCE: usize = 500;
/// Connections whose handshake drips.
const SLOW: usize = 500;
/// Handshakes that are none.
const GARBAGE: usize = 1_000;
/// What a good client waits at most, on a machine that runs other tests beside; how long it did wait is printed.
const GOOD: Duration = Duration::from_secs(20);
/// What a node may take beyond its timeouts to close ten thousand connections, on such a machine.
const SLACK: Duration = Duration::from_secs(30);

#[test]
fn ten_thousand_silent_connections_keep_no_good_client_waiting() {
    let site = Vendor::new().site_with("plant", 1);
    let _daemon = site.run();
    let node = Node::of(&site);
    Runtime::new().unwrap().block_on(async {
        let client = GoodClient::begin(&node);
        let opened = Instant::now();
        let silent = open_silent(&node).await;
        let before = client.answers();
        closed_in_time(silent, opened).await;
        assert!(client.answers() > before, "it was asked while they were open");
        client.end().await;
    });
}

#[test]
fn slow_and_garbled_handshakes_keep_no_good_client_waiting() {
    let site = Vendor::new().site_with("plant", 1);
    let _daemon = site.run();
    let node = Node::of(&site);
    Runtime::new().unwrap().block_on(async {
        let client = GoodClient::begin(&node);
        let mut attacks = JoinSet::new();
        for _ in 0..SLOW {
            attacks.spawn(drip(node.clone()));
        }
        for number in 0..GARBAGE {
            attacks.spawn(garble(node.clone(), number));
        }
        let all = async {
            while let Some(ended) = attacks.join_next().await {
                ended.unwrap();
            }
        };
        timeout(limits::HANDSHAKE_TIMEOUT + SLACK, all).await.expect("the node closes them in time");
        client.end().await;
    });
}

/// Where the node listens.
#[derive(Clone)]
struct Node {
    address: Address,
    host: String,
    port: u16,
}

impl Node {
    fn of(site: &Site) -> Self {
        let ready: Value = serde_json::from_slice(&fs::read(site.data("ready.json")).unwrap()).unwrap();
        let address: Address = ready["listen"][0].as_str().unwrap().parse().unwrap();
        let Address::Https { host, port } = address.clone() else { panic!("{ready}") };
        Self { address, host, port }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect((self.host.as_str(), self.port)).await.unwrap()
    }
}

/// One that connects, asks and leaves, over and over.
struct GoodClient {
    stop: Arc<AtomicBool>,
    answers: tokio::sync::watch::Receiver<usize>,
    /// Ends with the longest wait.
    asking: tokio::task::JoinHandle<Duration>,
}

impl GoodClient {
    fn begin(node: &Node) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (answered, answers) = tokio::sync::watch::channel(0);
        let (address, stopped) = (node.address.clone(), Arc::clone(&stop));
        let asking = tokio::spawn(async move {
            let tls = ClientTls::new(&ServerKey::Any, None).unwrap();
            let mut longest = Duration::ZERO;
            while !stopped.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let answer = timeout(GOOD, ask(&address, &tls)).await;
                assert!(answer.is_ok(), "no answer within {GOOD:?}");
                longest = longest.max(asked.elapsed());
                answered.send_modify(|answers| *answers += 1);
            }
            longest
        });
        Self { stop, answers, asking }
    }

    /// How many it got.
    fn answers(&self) -> usize {
        *self.answers.borrow()
    }

    /// All of them came in time.
    async fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let longest = self.asking.await.unwrap();
        let answers = *self.answers.borrow();
        assert!(answers > 0);
        println!("a good client got {answers} answers, the slowest after {} ms", longest.as_millis());
    }
}

async fn ask(address: &Address, tls: &ClientTls) {
    let mut connection = Connection::open(address, tls, Timeouts::default()).await.unwrap();
    let request = Request::get("/v1/pools").body(Full::<Bytes>::default()).unwrap();
    let answer = connection.exchange(request, 64 * 1024).await.unwrap();
    assert_eq!(answer.status(), 200);
}

/// Half say nothing, the others the beginning of a handshake.
async fn open_silent(node: &Node) -> Vec<TcpStream> {
    raise_open_files();
    let mut open = Vec::with_capacity(SILENT);
    while open.len() < SILENT {
        let mut opening = JoinSet::new();
        for number in open.len()..(open.len() + AT_ONCE).min(SILENT) {
            let node = node.clone();
            opening.spawn(async move {
                let mut stream = node.connect().await;
                let hello = client_hello();
                let sent = [0, 0, 1, hello.len() / 2][number % 4];
                stream.write_all(&hello[..sent]).await.unwrap();
                stream
            });
        }
        open.extend(opening.join_all().await);
    }
    open
}

/// The node closes each when its time is over, and none is left.
async fn closed_in_time(silent: Vec<TcpStream>, opened: Instant) {
    let mut closing = JoinSet::new();
    for stream in silent {
        closing.spawn(closed(stream));
    }
    let all = timeout(limits::HANDSHAKE_TIMEOUT + SLACK, closing.join_all());
    all.await.expect("the node closes them in time");
    assert!(opened.elapsed() >= limits::HANDSHAKE_TIMEOUT, "and not before it");
}

/// One byte of a good beginning after the other, and never the end.
async fn drip(node: Node) {
    let mut stream = node.connect().await;
    let mut tick = interval(Duration::from_millis(100));
    for byte in client_hello() {
        tick.tick().await;
        if stream.write_all(&[byte]).await.is_err() {
            return;
        }
    }
    closed(stream).await;
}

/// What is no handshake, in many ways.
async fn garble(node: Node, number: usize) {
    let mut stream = node.connect().await;
    let mut garbage = match number % 4 {
        0 => b"GET / HTTP/1.1\r\nhost: x\r\n\r\n".to_vec(),
        1 => vec![0xff; 600],
        // A record of TLS whose content is none, and one that claims more than a record may hold.
        2 => [&[0x16, 3, 1, 0, 64][..], &[0x5a; 64]].concat(),
        _ => [&[0x16, 3, 1, 0xff, 0xff][..], &[0; 64]].concat(),
    };
    let place = number % garbage.len();
    garbage[place] ^= u8::try_from(number % 256).unwrap();
    // It may refuse before it has read everything.
    let _ = stream.write_all(&garbage).await;
    closed(stream).await;
}

/// Waits until the other end closes; it may do so by a reset.
async fn closed(mut stream: TcpStream) {
    match stream.read_to_end(&mut Vec::new()).await {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("{error}"),
    }
}

/// A record that says that 512 bytes of a `ClientHello` follow, and 256 of them.
fn client_hello() -> Vec<u8> {
    let mut hello = vec![0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    hello.resize(261, 7);
    hello
}

fn raise_open_files() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    assert!(
        hard > SILENT as u64 + 100,
        "the limit of open files of this machine, {hard}, is too low for this test"
    );
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}
