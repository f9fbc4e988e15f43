//! An issuer that comes back from a backup: it sells nothing that it may have sold already, and then sells on.

use std::fs;
use std::path::Path;
use std::process::Command;

use leasehold_clock::Stopwatch;
use serde_json::json;

use crate::programs::Done;
use crate::site::Site;
use crate::vendor::{PRODUCT, Sale, Vendor};

const SEATS: u32 = 10;

#[test]
fn an_issuer_from_yesterdays_backup_sells_nothing_until_it_knows_again() {
    let shop = Shop::new();
    let backup = shop.vendor.text("backup.tar");
    shop.vendor.json(&["backup", &backup]);
    let plant = shop.sell_the_rest();
    let began = Stopwatch::start();
    let restored = shop.vendor.json(&["restore", &backup, "--reason", "the disk is gone"]);
    assert!(Path::new(restored["replaced"].as_str().unwrap()).join("journal").exists(), "{restored}");
    let frozen = began.elapsed();

    shop.refuses("ISSUER_RECOVERING", 4);
    assert_eq!(shop.state(), json!("recovering"));
    // Two rounds of the courier to each node.
    for _ in 0..2 {
        for site in [&shop.plant, &shop.lab] {
            site.carry_bundle(&shop.vendor, None);
        }
        shop.refuses("ISSUER_RECOVERING", 4);
    }
    assert_eq!(plant.json()["decision"], "allow", "running seats go on");
    let lacking = shop.vendor.json(&["recover", "--dry-run"]);
    assert_eq!(lacking["frozen"][0]["awaited"], json!([]), "{lacking}");
    let silent = shop.vendor.run(&["recover", "--attest"]);
    assert_eq!(silent.exit, 64, "an attestation says why");
    shop.vendor.json(&["recover", "--attest", "--reason", "no order since the backup but the plant's"]);

    assert_eq!(shop.state(), json!("recovered"));
    shop.refuses("ALLOCATION_EXCEEDS_POOL", 3);
    println!("frozen {frozen:?} after the restore began, full service after {:?}", began.elapsed());
    shop.vendor.json(&["audit", "verify"]);
}

#[test]
fn a_directory_that_was_copied_back_is_noticed_by_what_a_node_presents() {
    let shop = Shop::new();
    let (issuer, yesterday) = (shop.vendor.text("issuer"), shop.vendor.text("yesterday"));
    copy(&issuer, &yesterday);
    shop.sell_the_rest();
    fs::remove_dir_all(&issuer).unwrap();
    copy(&yesterday, &issuer);
    // Nothing tells it so far: what it sells until then is the excess.
    assert_eq!(shop.state(), json!("whole"));
    let began = Stopwatch::start();
    shop.plant.carry_bundle(&shop.vendor, None);
    println!("noticed {:?} after the first request came", began.elapsed());
    let status = shop.vendor.json(&["status"]);
    assert_eq!(
        (&status["recovery"]["state"], &status["recovery"]["cause"]),
        (&json!("recovering"), &json!("presented"))
    );
    shop.refuses("ISSUER_RECOVERING", 4);
    let pool = &shop.vendor.json(&["pool", "list"])["pools"][0];
    assert_eq!(pool["free"], json!(0), "what the plant presents is taken");
}

/// A vendor with ten seats and two sites: the plant has four of them.
struct Shop {
    vendor: Vendor,
    plant: Site,
    lab: Site,
    pool: String,
}

impl Shop {
    fn new() -> Self {
        let vendor = Vendor::new();
        let pool = vendor.sell(&Sale::of(PRODUCT, SEATS));
        let enrolled = |name: &str| {
            let (node, join) = vendor.register(name);
            if name == "plant" {
                vendor.allocate(&pool, &node, 4, &["--movable"]);
            }
            let site = Site::new(&vendor.trust_root(), name);
            site.carry_bundle(&vendor, Some(&join));
            site
        };
        let (plant, lab) = (enrolled("plant"), enrolled("lab"));
        Self { vendor, plant, lab, pool }
    }

    /// All other seats go to the plant, whose applications take them.
    fn sell_the_rest(&self) -> Done {
        self.vendor.allocate(&self.pool, "plant", SEATS - 4, &["--movable"]);
        self.plant.carry_bundle(&self.vendor, None);
        let daemon = self.plant.run();
        let mut last = None;
        for _ in 0..SEATS {
            last = Some(self.plant.app(&["checkout", "--product", PRODUCT]));
        }
        daemon.stop();
        last.unwrap()
    }

    /// Seats for the lab are refused.
    fn refuses(&self, code: &str, exit: i32) {
        let args = ["allocation", "create", "--pool", &self.pool, "--node", "lab", "--seats", "1"];
        let refused = self.vendor.run(&args);
        assert_eq!((refused.code().as_str(), refused.exit), (code, exit), "{refused:?}");
    }

    fn state(&self) -> serde_json::Value {
        self.vendor.json(&["status"])["recovery"]["state"].clone()
    }
}

fn copy(from: &str, to: &str) {
    assert!(Command::new("cp").args(["-a", from, to]).status().unwrap().success());
}
