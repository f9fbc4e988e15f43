//! Wall clocks that are wrong: a node whose clock somebody moves, and what becomes of its leases.
//!
//! The shim moves `CLOCK_REALTIME` of the node's process alone. Boottime, the unslewed clock and what the kernel says of
//! its synchronisation stay the machine's own: a kernel that is synchronised for longer than a test takes confirms
//! nothing, so all of this holds with and without a time service.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{DateTime, Utc};
use leasehold_protocol::time::UnixMs;
use serde_json::Value;
use tempfile::TempDir;

use crate::online::soon;
use crate::programs::{Done, short_dir};
use crate::site::{Daemon, Site};
use crate::vendor::{DAY_S, PRODUCT, Sale, Vendor, in_seconds};

const SEATS: u32 = 3;
/// Whatever a clock does, service time runs on at the rate of this machine, give or take how long commands take.
const JUMP_MS: i64 = 30_000;
const SHIM: &str = "faketime/libfaketime.so.1";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

#[test]
fn ten_minutes_ahead_frees_no_seat_and_locks_nobody_out() {
    let node = Node::selling(&[]);
    let _daemon = node.run();
    let held = node.fill();
    node.moved(600, || node.set("+600"));
    assert_eq!(node.clock()["status"], "SUSPECT");
    node.is_full_of(&held);
    node.renews_all(&held);
    node.moved(-600, || node.set("+0"));
    node.is_whole_again(&held);
}

#[test]
fn two_days_back_frees_no_seat_and_gives_none_a_longer_life() {
    let node = Node::selling(&[]);
    let daemon = node.run();
    let held = node.fill();
    let bound = node.bound().expect("a wall clock that contradicts nothing bounds the time");
    node.moved(-2 * DAY_S, || node.set("-172800"));
    assert_eq!(node.clock()["status"], "SUSPECT");
    assert!(bound <= node.bound().unwrap(), "what was carried is kept");
    node.is_full_of(&held);
    node.renews_all(&held);
    // The same boot: the last frame counts as the reading before, and the bound is carried on.
    daemon.kill();
    let daemon = node.run();
    assert!(bound <= node.bound().unwrap());
    node.is_full_of(&held);
    node.moved(2 * DAY_S, || node.set("+0"));
    node.is_whole_again(&held);
    daemon.stop();
}

#[test]
fn four_hundred_days_ahead_and_back_bricks_nothing() {
    let node = Node::selling(&[]);
    let _daemon = node.run();
    let held = node.fill();
    let floor = node.clock()["floor"].clone();
    node.moved(400 * DAY_S, || node.set("+34560000"));
    let renewed = node.renew(held.iter().next().unwrap());
    assert_eq!((renewed.exit, renewed.code().as_str()), (2, "EXPIRED"));
    says_both_times(&renewed);
    let denied = node.checkout();
    assert_eq!((denied.exit, denied.code().as_str()), (2, "EXPIRED"));
    assert_eq!(node.leases(), held, "denied is not freed");
    assert!(instant(&node.clock()["floor"]) < instant(&floor) + 3_600_000, "the floor follows no wall clock");
    node.moved(-400 * DAY_S, || node.set("+0"));
    node.is_whole_again(&held);
}

#[test]
fn a_frozen_clock_stops_no_lease_from_running_out() {
    let node = Node::selling(&[]);
    let _daemon = node.run();
    let held = node.fill();
    let left_ms = node.left_ms();
    let frozen = node.freeze();
    let (svc_ms, wall) = (node.svc_ms(), node.wall());
    soon("a second of service time", || node.svc_ms() >= svc_ms + 1_000);
    assert_eq!((node.wall(), wall), (frozen, frozen), "the clock stands still");
    assert!(node.left_ms() <= left_ms - 1_000, "what is left of a lease is counted by service time");
    node.is_full_of(&held);
    node.renews_all(&held);
    node.set("+0");
    node.is_whole_again(&held);
}

#[test]
fn what_has_ended_does_not_live_again_by_a_clock_set_back() {
    let node = Node::selling(&[]);
    node.also_sell("short", &["--until", &in_seconds(2 * DAY_S)]);
    let daemon = node.run();
    let over = |days: &str| {
        let denied = node.app(&["checkout", "--product", "short"]);
        assert_eq!((denied.exit, denied.code().as_str()), (4, "ALLOCATION_ENDED"), "{days}");
        says_both_times(&denied);
    };
    node.app(&["checkout", "--product", "short"]).done();
    // Three days of uptime as far as the node knows: a paused machine looks the same.
    node.moved(3 * DAY_S, || node.set("+259200"));
    over("three days ahead");
    node.moved(-2 * DAY_S, || node.set("+86400"));
    over("and one day ahead");
    daemon.kill();
    let daemon = node.run();
    over("after a restart");
    node.moved(-3 * DAY_S, || node.set("-172800"));
    over("and two days back");
    node.moved(2 * DAY_S, || node.set("+0"));
    node.app(&["checkout", "--product", "short"]).done();
    daemon.stop();
}

#[test]
fn a_node_that_starts_behind_proven_time_serves_what_waits_for_nobody_and_nothing_else() {
    let node = Node::selling(&["--movable"]);
    node.also_sell("fixed", &["--fixed"]);
    let daemon = node.run();
    let held = node.fill();
    daemon.stop();
    // As after an empty battery.
    node.reboot();
    node.set("-172800");
    let daemon = node.run();
    assert_eq!(node.clock()["status"], "SUSPECT");
    assert_eq!(node.clock()["hi"], Value::Null);
    let denied = node.renew(held.iter().next().unwrap());
    assert_eq!((denied.exit, denied.code().as_str()), (4, "CLOCK_ROLLED_BACK"));
    says_both_times(&denied);
    assert_eq!(node.app(&["checkout", "--product", "fixed"]).done()["decision"], "allow");
    assert_eq!(node.leases_of(PRODUCT), held);
    node.moved(2 * DAY_S, || node.set("+0"));
    node.is_whole_again(&held);
    daemon.stop();
}

/// A vendor, and a site whose node lives by a clock that the test moves.
struct Node {
    vendor: Vendor,
    site: Site,
    /// What the shim reads: an offset in seconds, or an instant at which the clock stands still. And the boot's id.
    control: TempDir,
    id: String,
}

impl Node {
    /// A node that serves all seats of the product, by an allocation of this kind.
    fn selling(allocation: &[&str]) -> Self {
        let vendor = Vendor::new();
        let control = short_dir();
        let boot = control.path().join("boot");
        fs::copy(BOOT_ID, &boot).unwrap();
        fs::write(control.path().join("clock"), "+0\n").unwrap();
        let around = surroundings(control.path());
        let words: Vec<&str> = around.iter().map(String::as_str).collect();
        let site = Site::around(&vendor.trust_root(), "plant", &words);
        let (id, join) = vendor.register("plant");
        let node = Self { vendor, site, control, id };
        node.sell(PRODUCT, allocation);
        node.site.carry_bundle(&node.vendor, Some(&join));
        node
    }

    fn sell(&self, product: &str, allocation: &[&str]) {
        let pool = self.vendor.sell(&Sale::of(product, SEATS));
        self.vendor.allocate(&pool, &self.id, SEATS, allocation);
    }

    fn also_sell(&self, product: &str, allocation: &[&str]) {
        self.vendor.add_product(product);
        self.sell(product, allocation);
        self.site.carry_bundle(&self.vendor, None);
    }

    fn run(&self) -> Daemon {
        self.site.run()
    }

    /// Sets the clock so many seconds off, `+600`.
    fn set(&self, offset: &str) {
        let file = self.control.path().join("clock");
        let new = file.with_extension("new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::rename(new, file).unwrap();
    }

    /// Stops the clock, at a whole second.
    fn freeze(&self) -> i64 {
        let at = self.wall().div_euclid(1000) * 1000;
        // 2026-11-24T16:00:00.000Z
        let text = UnixMs(at).to_string();
        self.set(&text[..19].replace('T', " "));
        at
    }

    /// The machine starts anew: its next process finds another boot.
    fn reboot(&self) {
        fs::write(self.control.path().join("boot"), "00112233-4455-6677-8899-aabbccddeeff\n").unwrap();
    }

    /// Moves the clock by so many seconds, and sees that it has moved and service time has not.
    #[track_caller]
    fn moved(&self, seconds: i64, change: impl FnOnce()) {
        let (wall, svc_ms) = (self.wall(), self.svc_ms());
        change();
        let passed_ms = self.svc_ms() - svc_ms;
        assert!((0..JUMP_MS).contains(&passed_ms), "service time jumped by {passed_ms} ms");
        let off_ms = self.wall() - wall - seconds * 1000;
        assert!((0..JUMP_MS).contains(&off_ms), "the clock did not move as it should: {off_ms} ms off");
    }

    fn clock(&self) -> Value {
        self.site.json(&["status"])["clock"].clone()
    }

    fn wall(&self) -> i64 {
        instant(&self.clock()["wall"])
    }

    fn svc_ms(&self) -> i64 {
        self.clock()["svc_ms"].as_i64().unwrap()
    }

    /// The upper bound of time, if there is one.
    fn bound(&self) -> Option<i64> {
        let hi = self.clock()["hi"].clone();
        (!hi.is_null()).then(|| instant(&hi))
    }

    fn app(&self, args: &[&str]) -> Done {
        self.site.app(args)
    }

    fn checkout(&self) -> Done {
        self.app(&["checkout", "--product", PRODUCT])
    }

    fn renew(&self, lease: &str) -> Done {
        self.app(&["renew", lease])
    }

    /// Takes every seat.
    fn fill(&self) -> BTreeSet<String> {
        for _ in 0..SEATS {
            self.checkout().done();
        }
        let held = self.leases();
        assert_eq!(held.len(), SEATS as usize);
        held
    }

    /// The leases that have not ended.
    fn leases(&self) -> BTreeSet<String> {
        self.leases_of(PRODUCT)
    }

    fn leases_of(&self, product: &str) -> BTreeSet<String> {
        let leases = self.site.leases();
        let of_product = leases.iter().filter(|lease| lease["product"] == product);
        of_product.map(|lease| lease["lease_id"].as_str().unwrap().to_owned()).collect()
    }

    /// The longest that is left of a lease.
    fn left_ms(&self) -> i64 {
        self.site.leases().iter().map(|lease| lease["expires_in_ms"].as_i64().unwrap()).max().unwrap()
    }

    /// These leases hold every seat, and nobody gets one.
    #[track_caller]
    fn is_full_of(&self, held: &BTreeSet<String>) {
        let denied = self.checkout();
        assert_eq!((denied.exit, denied.code().as_str()), (3, "POOL_EXHAUSTED"), "{denied:?}");
        assert_eq!(self.leases(), *held);
    }

    #[track_caller]
    fn renews_all(&self, held: &BTreeSet<String>) {
        for lease in held {
            assert_eq!(self.renew(lease).done()["decision"], "allow");
        }
    }

    /// The clock is right again: the same leases run on, and a seat that is given back is given to the next.
    #[track_caller]
    fn is_whole_again(&self, held: &BTreeSet<String>) {
        assert_ne!(self.clock()["status"], "SUSPECT");
        assert!(self.bound().is_some());
        self.renews_all(held);
        self.is_full_of(held);
        let lease = held.iter().next().unwrap();
        assert_eq!(self.app(&["release", lease]).done()["released"], true);
        self.checkout().done();
    }
}

/// A command that runs its arguments with a clock and a boot that `control` says.
fn surroundings(control: &Path) -> Vec<String> {
    let file = |name: &str| control.join(name).to_str().unwrap().to_owned();
    let boot = format!("mount --bind {} {BOOT_ID} && exec \"$@\"", file("boot"));
    let shim = format!("LD_PRELOAD={}", shim().display());
    let clock = format!("FAKETIME_TIMESTAMP_FILE={}", file("clock"));
    let settings = ["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "TZ=UTC"];
    let env = ["sh", "-c", &boot, "sh", "env", &shim, &clock].into_iter().chain(settings);
    mounts_of_its_own().iter().copied().chain(env).map(str::to_owned).collect()
}

/// A command that runs its arguments with mounts of their own.
fn mounts_of_its_own() -> &'static [&'static str] {
    let ways: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--map-root-user", "--mount"]];
    let works =
        |way: &&&[&str]| Done::of(Command::new(way[0]).args(&way[1..]).arg("true").env_remove("_")).exit == 0;
    ways.iter().find(works).expect(
        "this machine allows no mount namespace: run the tests as root, or allow unprivileged user namespaces",
    )
}

/// Debian keeps it under the name of the machine's architecture.
fn shim() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path().join(SHIM));
    let found = libraries.into_iter().find(|path| path.is_file());
    found.expect("there is no libfaketime: install the Debian package faketime")
}

/// A denial for time names the time that matters and the node's.
#[track_caller]
fn says_both_times(denied: &Done) {
    let denial = denied.json();
    let detail = denial["detail"].as_str().unwrap();
    assert!(detail.matches('Z').count() >= 2, "{detail}");
    assert!(denial["hint"].as_str().is_some_and(|hint| !hint.is_empty()));
}

fn instant(text: &Value) -> i64 {
    text.as_str().unwrap().parse::<DateTime<Utc>>().unwrap().timestamp_millis()
}
