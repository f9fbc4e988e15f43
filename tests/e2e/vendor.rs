//! A vendor: an issuer's directory with one customer.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use leasehold_journal::{FileHome, Genesis};
use serde_json::Value;
use tempfile::TempDir;

use crate::programs::{Done, armed, command, program, short_dir};
use crate::site::{Daemon, Fault, Site};

/// The product that most tests sell.
pub(crate) const PRODUCT: &str = "cad";
/// Cheap to unlock: a hundred commands of a test do it.
const KDF_COST: &str = "10";
const ACCOUNT: &str = "Acme";

pub(crate) struct Vendor {
    dir: TempDir,
    /// What goes wrong in an issuer of the test build; without it the usual build runs.
    fault: Option<Fault>,
}

/// What a customer buys: seats of a product, from and until when.
pub(crate) struct Sale<'a> {
    pub(crate) product: &'a str,
    pub(crate) seats: u32,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) more: &'a [&'a str],
}

impl Vendor {
    /// A vendor with a customer and a product.
    pub(crate) fn new() -> Self {
        Self::with(&["--realm", "e2e"])
    }

    /// One whose signatures are good for trials only.
    pub(crate) fn sandbox() -> Self {
        Self::with(&["--realm", "e2e", "--sandbox"])
    }

    fn with(init: &[&str]) -> Self {
        let vendor = Self::without_issuer();
        vendor.init(init).done();
        vendor.json(&["trust", "export", vendor.trust_root().to_str().unwrap()]);
        vendor.json(&["account", "create", "--name", ACCOUNT]);
        vendor.add_product(PRODUCT);
        vendor
    }

    /// A vendor whose journal has segments of so many bytes: as if `init` had been interrupted after it made the journal.
    pub(crate) fn small(segment_bytes: u32) -> Self {
        let vendor = Self::without_issuer();
        DirBuilder::new().mode(0o700).create(vendor.path("issuer")).unwrap();
        let genesis = Genesis::new("issuer", [5; 16], [6; 16]).unwrap();
        let genesis = genesis.with_segment_bytes(segment_bytes).unwrap();
        FileHome::create(&vendor.path("issuer/journal"), &genesis).unwrap().close().unwrap();
        vendor.init(&["--realm", "e2e"]).done();
        vendor.json(&["account", "create", "--name", ACCOUNT]);
        vendor
    }

    /// A vendor with no issuer yet.
    pub(crate) fn without_issuer() -> Self {
        let vendor = Self { dir: short_dir(), fault: None };
        fs::write(vendor.path("passphrase"), "correct horse\n").unwrap();
        vendor
    }

    pub(crate) fn init(&self, more: &[&str]) -> Done {
        self.run(&[&["init", "--kdf-cost", KDF_COST], more].concat())
    }

    /// Another vendor with the same files.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self { dir: short_dir(), fault: None };
        let from = format!("{}/.", self.dir.path().display());
        assert!(Command::new("cp").args(["-a", &from]).arg(copy.dir.path()).status().unwrap().success());
        copy
    }

    /// From now on, or no longer, something goes wrong in the issuer.
    pub(crate) fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
    }

    pub(crate) fn add_product(&self, sku: &str) {
        self.json(&["product", "create", "--sku", sku, "--feature", "draw"]);
    }

    /// Sells, and gives the pool's id.
    pub(crate) fn sell(&self, sale: &Sale<'_>) -> String {
        let seats = sale.seats.to_string();
        let args = ["grant", "create", "--account", ACCOUNT, "--product", sale.product, "--seats", &seats];
        let term = ["--from", &sale.from, "--to", &sale.to, "--feature", "draw"];
        let granted = self.json(&[&args[..], &term, sale.more].concat());
        granted["pool_id"].as_str().unwrap().to_owned()
    }

    /// Registers a node. Its id and its join code.
    pub(crate) fn register(&self, name: &str) -> (String, String) {
        self.register_as(name, "air-gapped")
    }

    /// Registers a node of this class. Its id and its join code.
    pub(crate) fn register_as(&self, name: &str, class: &str) -> (String, String) {
        let args = ["node", "register", "--account", ACCOUNT, "--name", name, "--class", class];
        let registered = self.json(&args);
        let text = |field: &str| registered[field].as_str().unwrap().to_owned();
        (text("node_id"), text("join_code"))
    }

    pub(crate) fn allocate(&self, pool: &str, node: &str, seats: u32, more: &[&str]) -> Value {
        let seats = seats.to_string();
        let args = ["allocation", "create", "--pool", pool, "--node", node, "--seats", &seats];
        self.json(&[&args[..], more].concat())
    }

    /// Answers a request.
    pub(crate) fn bundle(&self, request: &Path, out: &Path) {
        let (request, out) = (request.to_str().unwrap(), out.to_str().unwrap());
        self.json(&["bundle", "create", "--request", request, "--out", out]);
    }

    /// A site whose node serves so many seats of a pool of as many.
    pub(crate) fn site_with(&self, name: &str, seats: u32) -> Site {
        self.serving(Site::new(&self.trust_root(), name), name, seats)
    }

    /// The same with a journal whose segments are small.
    pub(crate) fn small_site(&self, name: &str, seats: u32, segment_bytes: u32) -> Site {
        self.serving(Site::with_segments(&self.trust_root(), name, segment_bytes), name, seats)
    }

    fn serving(&self, site: Site, name: &str, seats: u32) -> Site {
        let pool = self.sell(&Sale::of(PRODUCT, seats));
        let (node, join) = self.register(name);
        self.allocate(&pool, &node, seats, &[]);
        site.carry_bundle(self, Some(&join));
        site
    }

    /// Starts the issuer's service and waits until it is ready.
    pub(crate) fn serve(&self) -> Daemon {
        Daemon::start(&mut self.command(&["serve", "--listen", "127.0.0.1:0"]))
    }

    /// The same; how it ended, if it did before it was ready.
    #[track_caller]
    pub(crate) fn try_serve(&self) -> Result<Daemon, Done> {
        let mut issuer = self.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
        Daemon::try_start(&mut issuer, &self.path("issuer.log"))
    }

    /// What applications and nodes trust.
    pub(crate) fn trust_root(&self) -> PathBuf {
        self.path("exported-root.lh")
    }

    /// The answer of a command that must work.
    #[track_caller]
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        self.run(args).done()
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        Done::soon(self.command(args).arg("--json"))
    }

    /// A command of the usual build, for a daemon that may be of the other.
    pub(crate) fn ask_daemon(&self, args: &[&str]) -> Done {
        Done::soon(self.command_of(None, args).arg("--json"))
    }

    fn command(&self, args: &[&str]) -> Command {
        self.command_of(self.fault.as_ref(), args)
    }

    fn command_of(&self, fault: Option<&Fault>, args: &[&str]) -> Command {
        let program = if fault.is_some() { armed } else { program };
        let mut issuer = command(program("leasehold-issuer"));
        if let Some(fault) = fault {
            fault.tell(&mut issuer);
        }
        issuer.args(args).arg("--data").arg(self.path("issuer"));
        issuer.arg("--passphrase-file").arg(self.path("passphrase"));
        issuer
    }

    /// What lies beside the issuer's directory, and that itself.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl<'a> Sale<'a> {
    /// Seats for a year, from yesterday on.
    pub(crate) fn of(product: &'a str, seats: u32) -> Self {
        Self { product, seats, from: in_seconds(-DAY_S), to: in_seconds(365 * DAY_S), more: &[] }
    }
}

pub(crate) const DAY_S: i64 = 86_400;

/// An instant relative to now, as the command line takes it.
pub(crate) fn in_seconds(seconds: i64) -> String {
    leasehold_clock::wall().unwrap().plus(seconds * 1000).to_string()
}
