//! The only reader of clocks in Leasehold: everything else is handed a [`ClockReading`].
//!
//! There is no `Instant` here (it stops in suspend), no caching of times, no judgement of what the clocks say (the
//! cores judge) and no sleeping. The system calls go through libc, so that a preloaded clock shim works in tests.
//!
//! One `unsafe` block exists, for `adjtimex(2)`, which no safe wrapper of ours covers; that is why this is a package of
//! its own with the workspace's lints repeated.

use std::io;
use std::sync::OnceLock;
use std::time::Duration;

use leasehold_protocol::time::{BootId, ClockReading, UnixMs};
use nix::time::{ClockId, clock_gettime};

/// Reads all clocks, one right after the other.
///
/// Fails only where the kernel lacks a clock or `/proc` is not mounted. A kernel that refuses to tell its
/// synchronisation state (a seccomp filter) is taken as not synchronised. `vm_generation_event` is always false: it is
/// not a clock, whoever watches for it sets it.
pub fn read() -> io::Result<ClockReading> {
    let kernel = kernel_state();
    Ok(ClockReading {
        boot_id: boot_id()?,
        boottime_ms: milliseconds(ClockId::CLOCK_BOOTTIME)?,
        mono_ms: milliseconds(ClockId::CLOCK_MONOTONIC)?,
        raw_ms: milliseconds(ClockId::CLOCK_MONOTONIC_RAW)?,
        wall_ms: wall()?,
        kernel_synced: kernel.synced,
        maxerror_ms: kernel.maxerror_ms,
        vm_generation_event: false,
    })
}

/// The wall clock alone, for programs that only stamp or display; a claim like that of [`read`].
pub fn wall() -> io::Result<UnixMs> {
    milliseconds(ClockId::CLOCK_REALTIME).map(UnixMs)
}

/// Measures how long a piece of work takes: for metrics, never for a decision.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Duration);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        Self(monotonic())
    }

    /// How long ago that was.
    pub fn elapsed(self) -> Duration {
        monotonic().saturating_sub(self.0)
    }
}

/// A kernel that lacks the clock, which no other function here survives, measures nothing.
fn monotonic() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
}

fn milliseconds(clock: ClockId) -> io::Result<i64> {
    let time = clock_gettime(clock)?;
    // The kernel keeps 0 ≤ tv_nsec < 10⁹, so this rounds down, also before 1970.
    Ok(time.tv_sec().saturating_mul(1000).saturating_add(time.tv_nsec() / 1_000_000))
}

/// The kernel's boot id. It cannot change under a running process, so it is read once.
fn boot_id() -> io::Result<BootId> {
    static BOOT_ID: OnceLock<BootId> = OnceLock::new();
    if let Some(id) = BOOT_ID.get() {
        return Ok(*id);
    }
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let id = parse_boot_id(&text)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the kernel's boot id is no UUID"))?;
    Ok(*BOOT_ID.get_or_init(|| id))
}

fn parse_boot_id(text: &str) -> Option<BootId> {
    let digits: String = text.trim_end().split('-').collect();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    u128::from_str_radix(&digits, 16).ok().map(|id| BootId(id.to_be_bytes()))
}

/// What the kernel says of the discipline of its wall clock.
struct KernelState {
    synced: bool,
    maxerror_ms: i64,
}

fn kernel_state() -> KernelState {
    match adjtimex() {
        Ok(timex) => KernelState {
            synced: timex.status & libc::STA_UNSYNC == 0,
            maxerror_ms: timex.maxerror.max(0).saturating_add(999) / 1000,
        },
        Err(_refused) => KernelState { synced: false, maxerror_ms: 0 },
    }
}

/// Reads the kernel's clock state; with no modes set nothing is adjusted and no privilege is needed.
#[expect(unsafe_code, reason = "adjtimex has no safe wrapper")]
fn adjtimex() -> io::Result<libc::timex> {
    // SAFETY: `timex` is a C struct of integers, for which all zeros is a valid value (and means "only read"); the
    // pointer is to a live local of that type, and the kernel writes within it.
    let (result, timex) = unsafe {
        let mut timex: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut timex), timex)
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(timex) }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn readings_of_one_boot_never_go_back() {
        let mut last = read().unwrap();
        for _ in 0..1000 {
            let now = read().unwrap();
            assert!(now.boottime_ms >= last.boottime_ms, "{now:?} after {last:?}");
            assert!(now.mono_ms >= last.mono_ms, "{now:?} after {last:?}");
            assert!(now.raw_ms >= last.raw_ms, "{now:?} after {last:?}");
            assert_eq!(now.boot_id, last.boot_id);
            last = now;
        }
    }

    #[test]
    fn boottime_counts_at_least_what_monotonic_counts() {
        let reading = read().unwrap();
        // Read just before MONOTONIC, so it may be a little behind where the machine never slept.
        assert!(reading.boottime_ms > 0 && reading.boottime_ms + 1000 >= reading.mono_ms, "{reading:?}");
    }

    #[test]
    fn a_stopwatch_measures_less_than_a_millisecond_and_never_backwards() {
        let watch = Stopwatch::start();
        let measured: Vec<Duration> = std::iter::repeat_with(|| watch.elapsed()).take(1000).collect();
        assert!(measured.is_sorted());
        assert!(measured.iter().any(|time| time.subsec_nanos() % 1_000_000 != 0), "{measured:?}");
    }

    #[test]
    fn the_wall_clock_is_that_of_date() {
        let before = read().unwrap().wall_ms;
        let output = Command::new("date").arg("+%s%3N").output().unwrap();
        let after = wall().unwrap();
        let date: i64 = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
        assert!(before.0 <= date && date <= after.0, "{before:?} {date} {after:?}");
    }

    #[test]
    fn the_boot_id_is_the_kernels() {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
        let id = u128::from_str_radix(&text.trim().replace('-', ""), 16).unwrap();
        assert_eq!(read().unwrap().boot_id, BootId(id.to_be_bytes()));
    }

    #[test]
    fn only_a_uuid_is_a_boot_id() {
        let good = "00112233-4455-6677-8899-aabbccddeeff\n";
        let expected = BootId([
            0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
        ]);
        assert_eq!(parse_boot_id(good), Some(expected));
        for bad in
            ["", "\n", "0011", "00112233-4455-6677-8899-aabbccddeefg", "+0112233-4455-6677-8899-aabbccddeeff"]
        {
            assert_eq!(parse_boot_id(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_kernel_tells_its_state_here() {
        assert!(adjtimex().is_ok());
        assert!(kernel_state().maxerror_ms >= 0);
    }
}
