//! Disks that are full, or may only be read: real ones, a few hundred kilobytes small, in a mount namespace of the test's
//! own. Nothing hangs, nothing that was acknowledged is lost, and with room again everything goes on.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::node_points::{check_told, last_segment};
use super::work::{self, SEATS, check_after, stop};
use crate::api;
use crate::programs::Done;
use crate::site::Site;
use crate::vendor::Vendor;

const SEGMENT_BYTES: u32 = 12 * 1024;
/// Less than half of it is used when its disk fills up.
const ROOMY_SEGMENT_BYTES: u32 = 48 * 1024;
const DISK: &str = "384k";
/// Tells a run of this program that it has mounts of its own.
const INSIDE: &str = "LEASEHOLD_TEST_OWN_MOUNTS";

#[test]
fn a_full_disk_stops_a_node_with_a_reason_and_loses_nothing() {
    with_own_mounts("crash::full::inside_a_node_on_a_small_disk");
}

#[test]
fn an_issuer_on_a_full_disk_refuses_and_goes_on_later() {
    with_own_mounts("crash::full::inside_an_issuer_on_a_small_disk");
}

#[test]
fn what_may_only_be_read_can_be_read() {
    with_own_mounts("crash::full::inside_a_disk_that_may_only_be_read");
}

/// Not a test: what runs with mounts of its own. Without them it has nothing to do.
#[test]
fn inside_a_node_on_a_small_disk() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let vendor = Vendor::new();
    let image = vendor.small_site("plant", SEATS, SEGMENT_BYTES);
    full_while_it_serves(&vendor.small_site("roomy", SEATS, ROOMY_SEGMENT_BYTES));
    full_at_the_end_of_a_segment(&image);
    full_when_it_ends(&image);
    full_at_an_import(&vendor, &image);
    full_at_init(&vendor);
}

/// It serves on as long as there is room in the segment that it has. New seats are refused first.
fn full_while_it_serves(image: &Site) {
    let site = image.copy();
    let disk = SmallDisk::under(&site.data(""));
    let daemon = site.try_run().unwrap();
    let knowledge = work::hold(&site, 2);
    disk.fill();
    let (mut renewed, mut refused, mut renewed_while_refused) = (0, None, 0);
    let lease = site.leases()[0]["lease_id"].as_str().unwrap().to_owned();
    let renewal = api::post(&format!("/v1/leases/{lease}/renew"), b"{}");
    for number in 1001.. {
        assert!(number < 2000, "the disk is full and nobody notices");
        let Ok(answer) = api::ask(&site.socket(), &renewal) else { break };
        renewed += usize::from(answer.status == 200);
        renewed_while_refused += usize::from(answer.status == 200 && refused.is_some());
        let Some(answer) = checkout(&site, number) else { break };
        let document = answer.json().unwrap();
        if answer.status == 503 {
            refused.get_or_insert(document["code"].as_str().unwrap().to_owned());
        } else if let Some(lease) = document["lease_id"].as_str() {
            let _ = api::ask(&site.socket(), &api::delete(&format!("/v1/leases/{lease}")));
        }
    }
    assert_eq!((refused.as_deref(), daemon.end()), (Some("STORE_FAILED"), 70));
    assert!(renewed_while_refused > 0, "{renewed} renewals, all before the first refusal");
    check_told(
        &Done { exit: 70, stdout: String::new(), stderr: fs::read_to_string(site.path("node.log")).unwrap() },
        "log",
    );

    // It is of no more use than that room, and can be looked at.
    match site.try_run() {
        Err(done) => assert_eq!((done.exit, check_told(&done, "full").as_str()), (70, "STORE_FAILED")),
        Ok(daemon) => {
            daemon.ask_to_end();
            let exit = daemon.end();
            assert!([0, 70].contains(&exit), "{exit}");
        }
    }
    check_readable(&site);
    disk.free();
    check_after(&site, &knowledge);
    println!(
        "full while serving: {renewed} renewals, {renewed_while_refused} of them after seats were refused"
    );
}

/// A start needs no room but that of its segment.
fn full_at_the_end_of_a_segment(image: &Site) {
    let site = image.copy();
    let disk = SmallDisk::under(&site.data(""));
    disk.fill();
    let daemon = site.try_run().unwrap();
    let held = checkout(&site, 1).unwrap();
    assert_eq!(held.json().unwrap()["decision"], "allow", "{held:?}");
    // There is no room for its last snapshot either.
    stop(daemon);
    let log = fs::read_to_string(site.path("node.log")).unwrap();
    assert!(log.contains("daemon.ready_file") && log.contains("snapshot.failed"), "{log}");
    let daemon = site.try_run().unwrap();
    assert_eq!(checkout(&site, 1).unwrap().json().unwrap()["lease_id"], held.json().unwrap()["lease_id"]);
    stop(daemon);
    disk.free();
}

/// Room that runs out in the middle of a snapshot.
fn full_when_it_ends(image: &Site) {
    for left in [1, 2, 6, 8] {
        let site = image.copy();
        let disk = SmallDisk::under(&site.data(""));
        let daemon = site.try_run().unwrap();
        let knowledge = work::work(&site);
        disk.fill_but(left * 4096);
        stop(daemon);
        let finished = fs::exists(site.data("journal/SNAPSHOT")).unwrap();
        assert!(!finished, "half a snapshot takes the room that the journal needs");
        disk.free();
        check_after(&site, &knowledge);
    }
}

fn full_at_an_import(vendor: &Vendor, image: &Site) {
    image.request(vendor, None, "next.lh");
    // Until the segment is full, too, and the bundle needs the next one.
    for used in [0, 1, 2] {
        let site = image.copy();
        let disk = SmallDisk::under(&site.data(""));
        disk.fill();
        for _ in 0..used * 8 {
            let _ = site.node(&["request", "--out", &site.text("again.lh")]);
        }
        let before = site.json(&["pools"]);
        let import = site.import("next.lh");
        if import.exit != 0 {
            assert_eq!((import.exit, check_told(&import, "import").as_str()), (70, "STORE_FAILED"));
            assert_eq!(site.json(&["pools"]), before);
        }
        disk.free();
        let again = site.import("next.lh");
        assert!(again.exit == 0 || again.code() == "BUNDLE_WRONG_NODE", "{again:?}");
    }
}

fn full_at_init(vendor: &Vendor) {
    for kilobytes in ["16k", "1m", "16m"] {
        let site = Site::without_node(&vendor.trust_root(), &[]);
        fs::create_dir(site.data("")).unwrap();
        let disk = SmallDisk::mount(&site.data(""), kilobytes);
        let done = site.init("plant");
        assert_eq!((done.exit, check_told(&done, kilobytes).as_str()), (73, "CANNOT_CREATE"));
        disk.resize("40m");
        site.init("plant").done();
        assert_eq!(site.seq(), 1);
    }
}

/// Not a test: as above.
#[test]
fn inside_an_issuer_on_a_small_disk() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let vendor = Vendor::small(SEGMENT_BYTES);
    let disk = SmallDisk::under(&vendor.path("issuer"));
    disk.fill();
    let (mut made, mut refused) = (0, None);
    while refused.is_none() {
        let name = format!("customer {made}");
        let done = vendor.run(&["account", "create", "--name", &name]);
        if done.exit == 0 {
            made += 1;
        } else {
            refused = Some((done.exit, check_told(&done, "account")));
        }
        assert!(made < 500, "the disk is full and nobody notices");
    }
    assert_eq!(refused, Some((70, "STORE_FAILED".to_owned())));
    let accounts = |vendor: &Vendor| vendor.json(&["account", "list"])["accounts"].as_array().unwrap().len();
    assert_eq!(accounts(&vendor), made + 1, "what can be read is there");
    let served = vendor.try_serve().map(|daemon| {
        daemon.ask_to_end();
        daemon.end()
    });
    assert_eq!(served.unwrap_or_else(|done| panic!("{done:?}")), 0, "it serves what it can");
    disk.free();
    vendor.json(&["account", "create", "--name", "one more"]);
    assert_eq!(accounts(&vendor), made + 2);
    assert_eq!(vendor.json(&["audit", "verify"])["valid"], true);
    println!("an issuer on a full disk: {made} changes until its segment was full");
}

/// Not a test: as above.
#[test]
fn inside_a_disk_that_may_only_be_read() {
    if env::var_os(INSIDE).is_none() {
        return;
    }
    let site = Vendor::new().small_site("plant", SEATS, SEGMENT_BYTES);
    let disk = SmallDisk::under(&site.data(""));
    disk.remount("ro");
    let done = site.try_run().map(drop).expect_err("it starts where it cannot write");
    assert_eq!((done.exit, check_told(&done, "read-only").as_str()), (70, "STORE_FAILED"), "{done:?}");
    check_readable(&site);
    disk.remount("rw");
    let daemon = site.try_run().unwrap();
    let knowledge = work::work(&site);
    disk.remount_though_busy();
    stop(daemon);
    disk.remount("rw");
    check_after(&site, &knowledge);

    let vendor = Vendor::small(SEGMENT_BYTES);
    let disk = SmallDisk::under(&vendor.path("issuer"));
    disk.remount("ro");
    let done = vendor.run(&["account", "create", "--name", "nobody"]);
    assert_eq!((done.exit, check_told(&done, "read-only").as_str()), (70, "STORE_FAILED"), "{done:?}");
    assert_eq!(vendor.json(&["audit", "verify"])["valid"], true);
    disk.remount("rw");
    vendor.json(&["account", "create", "--name", "somebody"]);
}

/// What reads needs no room.
fn check_readable(site: &Site) {
    for args in [&["status"][..], &["leases"], &["pools"], &["journal", "verify"]] {
        site.json(args);
    }
    assert!(last_segment(&site.data("journal")).is_file());
}

fn checkout(site: &Site, key: usize) -> Option<api::Answer> {
    api::ask(&site.socket(), &api::checkout("ann", key)).ok()
}

/// Runs one test again where it may mount.
fn with_own_mounts(test: &str) {
    let ways: [&[&str]; 2] = [&["unshare", "--mount"], &["unshare", "--map-root-user", "--mount"]];
    let works = |way: &&&[&str]| Done::of(Command::new(way[0]).args(&way[1..]).arg("true")).exit == 0;
    let way = ways.iter().find(works).expect(
        "this machine allows no mount namespace: run the tests as root, or allow unprivileged user namespaces",
    );
    let mut inside = Command::new(way[0]);
    inside.args(&way[1..]).arg(env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    let done = Done::of(inside.env(INSIDE, "1"));
    assert!(done.exit == 0 && done.stdout.contains("1 passed"), "{}\n{}", done.stdout, done.stderr);
    done.stdout.lines().filter(|line| line.contains(": ")).for_each(|line| println!("{line}"));
}

/// A small file system in memory; unmounted when this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Puts what is in a directory on a disk of its own.
    fn under(path: &Path) -> Self {
        let aside = path.with_extension("aside");
        fs::rename(path, &aside).unwrap();
        fs::create_dir(path).unwrap();
        let disk = Self::mount(path, DISK);
        call("cp", &["-a", &format!("{}/.", aside.display()), &path.display().to_string()]);
        disk
    }

    fn mount(path: &Path, size: &str) -> Self {
        let options = format!("mode=0700,size={size}");
        call("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &path.display().to_string()]);
        Self(path.to_owned())
    }

    fn resize(&self, size: &str) {
        self.remount(&format!("size={size}"));
    }

    fn remount(&self, option: &str) {
        call("mount", &["-o", &format!("remount,{option}"), &self.0.display().to_string()]);
    }

    /// The kernel refuses to while somebody writes; what is not written to is closed to writers all the same.
    fn remount_though_busy(&self) {
        let place = self.0.display().to_string();
        let _ = Command::new("mount").args(["-o", "remount,ro", &place]).output().unwrap();
    }

    /// Leaves no byte free.
    fn fill(&self) {
        self.fill_but(0);
    }

    fn fill_but(&self, bytes: u64) {
        let path = self.0.join("filler");
        let mut filler = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        while filler.write_all(&[7; 4096]).is_ok() {}
        let full = filler.metadata().unwrap().len();
        filler.set_len(full - bytes).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy".as_ref(), self.0.as_os_str()]).output();
    }
}

fn call(program: &str, args: &[&str]) {
    let done = Done::of(Command::new(program).args(args));
    assert_eq!(done.exit, 0, "{program} {args:?}: {done:?}");
}
