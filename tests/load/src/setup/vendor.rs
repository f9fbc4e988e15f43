//! A vendor: an issuer's directory with one customer.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use leasehold_protocol::armour::unarmour;
use leasehold_protocol::trust_root::TrustRoot;
use serde_json::Value;

use super::programs::{json, program, text};
use super::{Dir, Medium, Site, Syncing};
use crate::process::Server;

const ACCOUNT: &str = "Acme Engineering";
/// What every product has.
pub(super) const FEATURE: &str = "draw";

/// Seats of a product that a node shall have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sale {
    pub(crate) product: &'static str,
    pub(crate) seats: u32,
}

pub(crate) struct Vendor {
    dir: Dir,
    disk: PathBuf,
    account: String,
}

impl Vendor {
    /// A vendor with a customer. It and all its sites keep their data below `disk`.
    pub(crate) fn new(disk: &Path) -> Result<Self> {
        let mut vendor =
            Self { dir: Dir::new(Medium::Disk, disk)?, disk: disk.to_owned(), account: String::new() };
        let mut passphrase =
            File::options().write(true).create_new(true).mode(0o600).open(vendor.passphrase())?;
        passphrase.write_all(b"not a secret\n")?;
        vendor.ask(&["init", "--realm", "bench", "--kdf-cost", "10"])?;
        vendor.ask(&["trust", "export", &vendor.trust_root_file().display().to_string()])?;
        vendor.account = text(&vendor.ask(&["account", "create", "--name", ACCOUNT])?, "account_id")?;
        Ok(vendor)
    }

    /// A node with these seats, air-gapped so that it does nothing but serve.
    pub(crate) fn site(&self, name: &str, medium: Medium, sales: &[Sale]) -> Result<Site> {
        let args = ["node", "register", "--account", &self.account, "--name", name, "--class", "air-gapped"];
        let registered = self.ask(&args)?;
        let (node, join) = (text(&registered, "node_id")?, text(&registered, "join_code")?);
        for sale in sales {
            self.sell(name, &node, *sale)?;
        }
        let site = Site::new(Dir::new(medium, &self.disk)?, &self.trust_root_file(), name)?;
        let (request, bundle) = (site.path("request.lh"), site.path("bundle.lh"));
        site.request(&request, &join)?;
        let (request, out) = (request.display().to_string(), bundle.display().to_string());
        self.ask(&["bundle", "create", "--request", &request, "--out", &out])?;
        site.import(&bundle)?;
        Ok(site)
    }

    /// Nodes of another customer, each with a seat of the same pool. They enrol when they first connect.
    pub(crate) fn fleet(&self, nodes: usize) -> Result<Vec<Syncing>> {
        let account = text(&self.ask(&["account", "create", "--name", "Fleet Works"])?, "account_id")?;
        let pool = self.grant(&account, "fleet", &nodes.to_string())?;
        let realm = self.trust_root()?.realm();
        (0..nodes)
            .map(|number| {
                let name = format!("fleet-{number}");
                let registered = self.ask(&["node", "register", "--account", &account, "--name", &name])?;
                let (node, join) = (text(&registered, "node_id")?, text(&registered, "join_code")?);
                self.ask(&["allocation", "create", "--pool", &pool, "--node", &node, "--seats", "1"])?;
                Ok(Syncing::new(realm, name, &join.parse()?))
            })
            .collect()
    }

    /// The issuer's service.
    pub(crate) fn serve(&self) -> Result<Server> {
        let mut serve = self.command(&["serve", "--listen", "127.0.0.1:0"])?;
        Server::start(&mut serve, &self.dir.join("issuer.log"))
    }

    /// The customer's id.
    pub(crate) fn account(&self) -> &str {
        &self.account
    }

    /// What clients trust.
    pub(crate) fn trust_root(&self) -> Result<TrustRoot> {
        Ok(TrustRoot::pin(&unarmour(&fs::read(self.trust_root_file())?)?)?)
    }

    /// A product, a grant and a pool of its own, all of it allocated to the node.
    fn sell(&self, name: &str, node: &str, sale: Sale) -> Result<()> {
        let (sku, seats) = (format!("{}-{name}", sale.product), sale.seats.to_string());
        let pool = self.grant(&self.account, &sku, &seats)?;
        self.ask(&["allocation", "create", "--pool", &pool, "--node", node, "--seats", &seats])?;
        Ok(())
    }

    /// A product and a grant of it. The grant's pool.
    fn grant(&self, account: &str, sku: &str, seats: &str) -> Result<String> {
        self.ask(&["product", "create", "--sku", sku, "--feature", FEATURE])?;
        let now = leasehold_clock::wall()?;
        let day = |days: i64| now.plus(days * 86_400_000).to_string();
        let (from, to) = (day(-1), day(365));
        let what = ["grant", "create", "--account", account, "--product", sku, "--feature", FEATURE];
        let terms = ["--seats", seats, "--from", &from, "--to", &to, "--max-ttl", "24h"];
        text(&self.ask(&[&what[..], &terms].concat())?, "pool_id")
    }

    fn ask(&self, args: &[&str]) -> Result<Value> {
        json(self.command(args)?.arg("--json"))
    }

    fn command(&self, args: &[&str]) -> Result<Command> {
        let mut issuer = program("leasehold-issuer")?;
        issuer.args(args).arg("--data").arg(self.dir.join("issuer"));
        issuer.arg("--passphrase-file").arg(self.passphrase());
        Ok(issuer)
    }

    fn passphrase(&self) -> PathBuf {
        self.dir.join("passphrase")
    }

    fn trust_root_file(&self) -> PathBuf {
        self.dir.join("trust-root.lh")
    }
}
