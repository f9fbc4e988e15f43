//! What the environment of a test build says:
//!
//! ```text
//! LEASEHOLD_FAIL      = ⟨action⟩:⟨hit⟩:⟨beginning of names⟩      kill-before:3:write MARK
//! LEASEHOLD_FAIL_LOG  = a file that gets the name of each step as it begins
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, AsRawFd as _};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, thread};

use nix::errno::Errno;
use nix::sys::signal::{Signal, raise};

/// Does `act`, which is to `what` the file `name`.
pub fn step<T>(what: &str, name: &str, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match begin(what, name) {
        Fate::Nothing | Fate::Lose => act(),
        Fate::Fail(errno) => Err(errno.into()),
        Fate::KillAfter => {
            let _done = act();
            die()
        }
    }
}

/// Does `act`, which is to `what` an open file, by the name that it has now.
pub fn step_in(what: &str, file: &impl AsFd, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let place = fs::read_link(format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()))?;
    let name = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match begin(what, &name) {
        Fate::Nothing => act(),
        Fate::Lose => Ok(()),
        Fate::Fail(errno) => Err(errno.into()),
        Fate::KillAfter => {
            let _done = act();
            die()
        }
    }
}

/// What becomes of a step.
#[derive(Clone, Copy)]
enum Fate {
    Nothing,
    /// It seems to be done.
    Lose,
    Fail(Errno),
    KillAfter,
}

struct Plan {
    action: Action,
    hit: u64,
    names: String,
    hits: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    /// The process dies at this hit.
    KillBefore,
    KillAfter,
    /// From this hit on.
    Lose,
    Fail(Errno),
}

fn begin(what: &str, name: &str) -> Fate {
    let name = format!("{what} {}", kind_of(name));
    if let Some(mut log) = log() {
        // One line, one write: threads do not mix.
        log.write_all(format!("{name}\n").as_bytes()).expect("the log of a test build can be written");
    }
    let Some(plan) = plan().filter(|plan| name.starts_with(&plan.names)) else { return Fate::Nothing };
    let hit = plan.hits.fetch_add(1, Ordering::SeqCst) + 1;
    match plan.action {
        Action::KillBefore if hit == plan.hit => die(),
        Action::KillAfter if hit == plan.hit => Fate::KillAfter,
        Action::Lose if hit >= plan.hit => Fate::Lose,
        Action::Fail(errno) if hit >= plan.hit => Fate::Fail(errno),
        _ => Fate::Nothing,
    }
}

/// Files whose names count up are of one kind.
fn kind_of(name: &str) -> &str {
    match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("seg") => "segment",
        Some("snap") => "snapshot",
        _ => name,
    }
}

fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    let read = || {
        let text = env::var("LEASEHOLD_FAIL").ok()?;
        Some(Plan::parse(&text).unwrap_or_else(|| panic!("LEASEHOLD_FAIL is no plan: {text:?}")))
    };
    PLAN.get_or_init(read).as_ref()
}

impl Plan {
    fn parse(text: &str) -> Option<Self> {
        let (action, rest) = text.split_once(':')?;
        let (hit, names) = rest.split_once(':')?;
        let action = match action {
            "kill-before" => Action::KillBefore,
            "kill-after" => Action::KillAfter,
            "lose" => Action::Lose,
            "EIO" => Action::Fail(Errno::EIO),
            "ENOSPC" => Action::Fail(Errno::ENOSPC),
            _ => return None,
        };
        Some(Self { action, hit: hit.parse().ok()?, names: names.to_owned(), hits: AtomicU64::new(0) })
    }
}

fn log() -> Option<&'static File> {
    static LOG: OnceLock<Option<File>> = OnceLock::new();
    let open = || {
        let path = env::var_os("LEASEHOLD_FAIL_LOG")?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        Some(file.expect("the log of a test build can be opened"))
    };
    LOG.get_or_init(open).as_ref()
}

/// As `kill -9` would have it: nothing is dropped, flushed or answered.
fn die() -> ! {
    let _ = raise(Signal::SIGKILL);
    loop {
        thread::park();
    }
}
