//! One measured stretch of load.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use leasehold_clock::Stopwatch;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::{Latency, Operation, Place, Talk, Wire};
use crate::amount::amount;
use crate::process::{CpuTime, Process};

/// Room for the largest answer of a seat.
const ANSWER_BYTES: usize = 4096;

/// How long there is load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// Before anything counts.
    pub(crate) warm_up: Duration,
    /// While it counts.
    pub(crate) measured: Duration,
}

impl Load {
    /// Until every talk has said all it has to say; all of it counts.
    pub(crate) const TO_THE_END: Self = Self { warm_up: Duration::ZERO, measured: Duration::from_hours(24) };
}

/// What was measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Answers that counted, of all operations.
    pub(crate) requests: usize,
    /// All answers, those before and after them included.
    pub(crate) answered: usize,
    /// How long they were counted.
    pub(crate) elapsed: Duration,
    /// Cores that the servers kept busy.
    pub(crate) server_cores: f64,
    /// Cores that this generator kept busy.
    pub(crate) client_cores: f64,
    latencies: Vec<(Operation, Duration)>,
}

impl Measured {
    /// Answers in a second.
    pub(crate) fn per_second(&self) -> f64 {
        amount(self.requests as u64) / self.elapsed.as_secs_f64()
    }

    /// Answers for each second that one core of the server worked.
    pub(crate) fn per_server_cpu_second(&self) -> f64 {
        self.per_second() / self.server_cores
    }

    /// From the first byte of a request to the last of its answer.
    pub(crate) fn latency(&self, operation: Operation) -> Latency {
        self.latencies.iter().filter(|(of, _)| *of == operation).map(|(_, latency)| *latency).collect()
    }

    /// The same of all operations.
    pub(crate) fn latency_of_all(&self) -> Latency {
        self.latencies.iter().map(|(_, latency)| *latency).collect()
    }
}

/// The thread that makes all load.
pub(crate) struct Generator {
    runtime: Runtime,
}

impl Generator {
    pub(crate) fn new() -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
        Ok(Self { runtime })
    }

    /// Holds the talks with the server at `place`, each on a connection of its own, and gives them back.
    pub(crate) fn run<T: Talk>(
        &self,
        place: &Place,
        talks: Vec<T>,
        load: Load,
        servers: &[Process],
    ) -> Result<(Measured, Vec<T>)> {
        self.runtime.block_on(async {
            let mut connected = Vec::with_capacity(talks.len());
            for talk in talks {
                connected.push((place.connect().await?, talk));
            }
            measure(connected, load, servers).await
        })
    }

    /// The runtime itself, for load that is no closed loop.
    pub(crate) const fn runtime(&self) -> &Runtime {
        &self.runtime
    }
}

async fn measure<T: Talk>(
    connected: Vec<(Wire, T)>,
    load: Load,
    servers: &[Process],
) -> Result<(Measured, Vec<T>)> {
    let window = Window { clock: Stopwatch::start(), begin: load.warm_up, end: load.warm_up + load.measured };
    let mut talking = JoinSet::new();
    for (wire, talk) in connected {
        talking.spawn(converse(wire, talk, window));
    }
    tokio::time::sleep(load.warm_up).await;
    let (before, began) = (Cpu::read(servers)?, window.clock.elapsed());
    let (mut talks, mut latencies, mut answered) = (Vec::new(), Vec::new(), 0);
    let mut after = None;
    let end = tokio::time::sleep(load.measured);
    tokio::pin!(end);
    while !talking.is_empty() {
        tokio::select! {
            () = &mut end, if after.is_none() => after = Some((Cpu::read(servers)?, window.clock.elapsed())),
            Some(ended) = talking.join_next() => {
                let heard = ended.context("a connection's task panicked")??;
                talks.push(heard.talk);
                answered += heard.answered;
                latencies.extend(heard.latencies);
            }
        }
    }
    let (after, ended) = match after {
        Some(after) => after,
        None => (Cpu::read(servers)?, window.clock.elapsed()),
    };
    let observed = ended.saturating_sub(began).as_secs_f64();
    let measured = Measured {
        requests: latencies.len(),
        answered,
        elapsed: load.measured.min(window.clock.elapsed().saturating_sub(load.warm_up)),
        server_cores: after.servers.saturating_sub(before.servers).as_secs_f64() / observed,
        client_cores: after.client.saturating_sub(before.client).as_secs_f64() / observed,
        latencies,
    };
    ensure!(measured.requests > 0, "nothing was answered within {:?}", load.measured);
    Ok((measured, talks))
}

/// When answers count.
#[derive(Clone, Copy)]
struct Window {
    clock: Stopwatch,
    begin: Duration,
    end: Duration,
}

/// One talk, after it.
struct Heard<T> {
    talk: T,
    answered: usize,
    latencies: Vec<(Operation, Duration)>,
}

async fn converse<T: Talk>(mut wire: Wire, mut talk: T, window: Window) -> Result<Heard<T>> {
    let (mut latencies, mut answers) = (Vec::with_capacity(4096), 0);
    let mut request = Vec::with_capacity(1024);
    let mut received = Vec::with_capacity(ANSWER_BYTES);
    loop {
        let asked = window.clock.elapsed();
        request.clear();
        let Some(operation) = talk.ask(asked >= window.end, &mut request) else { break };
        wire.write_all(&request).await?;
        wire.flush().await?;
        received.clear();
        let answered = loop {
            let more = wire.read_buf(&mut received).await?;
            ensure!(more > 0, "the server closed a connection after {request:?}");
            if let Some(bytes) = talk.hear(&received)? {
                break bytes;
            }
        };
        ensure!(answered == received.len(), "the server answered more than it was asked");
        answers += 1;
        let heard = window.clock.elapsed();
        if operation != Operation::Step && (window.begin..window.end).contains(&heard) {
            latencies.push((operation, heard.saturating_sub(asked)));
        }
    }
    Ok(Heard { talk, answered: answers, latencies })
}

/// What has been used so far.
struct Cpu {
    servers: CpuTime,
    client: CpuTime,
}

impl Cpu {
    fn read(servers: &[Process]) -> Result<Self> {
        let servers = servers.iter().map(|server| server.cpu_time()).sum::<Result<CpuTime>>()?;
        Ok(Self { servers, client: Process::own().cpu_time()? })
    }
}
