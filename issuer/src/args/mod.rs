//! The command line.

mod grant;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use leasehold_cli::{
    Failure, GlobalArgs, IdempotencyKey, MutationArgs, PassphraseArgs, Program, SeatCount, Tz, timezone,
};
use leasehold_issuer_core::{Cause, Role, Source};

pub(crate) use self::grant::{GrantAmendArgs, GrantCreateArgs, GrantRevokeArgs, GrantVerb};
use crate::api::{ChangeQuery, Class, External, Format, Moment};
use crate::backend::{Backend, ChangeHead, RemoteArgs};
use crate::commit::Intent;
use crate::entropy::random;
use crate::limits::{KDF_COST, KDF_COST_DEFAULT};

/// Records what was sold, signs it, and carries it to nodes
#[derive(Parser, Debug)]
#[command(name = "leasehold-issuer", version)]
pub(crate) struct IssuerArgs {
    #[command(flatten)]
    global: GlobalArgs,
    /// The issuer's state [default: the service's state directory]
    #[arg(long, value_name = "DIR", env = "LEASEHOLD_ISSUER_DATA", global = true)]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    #[command(subcommand)]
    pub(crate) command: Verb,
}

impl Program for IssuerArgs {
    fn global(&self) -> GlobalArgs {
        self.global
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum Verb {
    /// Make a new issuer: its keys, its journal, its trust root
    Init(InitArgs),
    /// Run as a service: REST over TLS, and the admin socket for commands of this machine
    Serve(ServeArgs),
    /// Show what the issuer holds and how it sees the time
    Status,
    /// Look for faults, beside a daemon or without one
    Doctor(ConfigArgs),
    /// Check the configuration
    Validate(ConfigArgs),
    /// Write the whole state to one file, also beside a daemon
    Backup {
        /// The new file; the sealed keys are in it
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Put a backup in the place of the state, which gives nothing until it knows again what it promised
    Restore(RestoreArgs),
    /// Say that the journal may have forgotten promises, or attest who got seats; --dry-run lists what is lacking
    Recover(RecoverArgs),
    /// The trust root that everything is verified with
    #[command(subcommand)]
    Trust(TrustVerb),
    /// The keys of the trust root
    #[command(subcommand)]
    Key(KeyVerb),
    /// Customers
    #[command(subcommand)]
    Account(AccountVerb),
    /// What is sold
    #[command(subcommand)]
    Product(ProductVerb),
    /// What was bought
    #[command(subcommand)]
    Grant(GrantVerb),
    /// Floating seats of grants
    #[command(subcommand)]
    Pool(PoolVerb),
    /// Where seats are served
    #[command(subcommand)]
    Node(NodeVerb),
    /// Which node serves how many seats of a pool
    #[command(subcommand)]
    Allocation(AllocationVerb),
    /// Files for nodes
    #[command(subcommand)]
    Bundle(BundleVerb),
    /// Who did what, when and why
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Keys that programs and people elsewhere call the service with
    #[command(subcommand)]
    ApiKey(ApiKeyVerb),
    /// Print any artefact, and whether it verifies
    Inspect {
        /// An artefact in any form; - is standard input
        #[arg(value_name = "FILE|-")]
        file: OsString,
        /// Verify with this trust root [default: the issuer's own]
        #[arg(long, value_name = "FILE")]
        trust: Option<PathBuf>,
    },
}

/// Which configuration
#[derive(Args, Debug)]
pub(crate) struct ConfigArgs {
    /// The configuration [default: /etc/leasehold/issuer.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// What every change accepts
#[derive(Args, Debug)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    mutation: MutationArgs,
    /// Say that the clock is right: it is T now; at the issuer's machine only
    #[arg(long, value_name = "T")]
    accept_time: Option<Moment>,
}

impl ChangeArgs {
    /// What the request says beside its body. The actor of an issuer elsewhere is the API key.
    pub(crate) fn head(&self, backend: &Backend) -> Result<ChangeHead, Failure> {
        let actor = match backend {
            Backend::Local(..) => Some(self.mutation.actor()),
            Backend::Remote(_) => self.mutation.actor.clone(),
        };
        let idempotency_key = match self.mutation.idempotency_key {
            Some(key) => key,
            None => IdempotencyKey(random()?),
        };
        Ok(ChangeHead {
            query: ChangeQuery {
                validate_only: self.mutation.dry_run,
                reason: self.mutation.reason.clone(),
                actor,
                accept_time: self.accept_time.clone(),
            },
            idempotency_key: idempotency_key.to_string(),
        })
    }

    /// Who acts and why, where no request is made.
    pub(crate) fn cause(&self) -> Result<Cause, Failure> {
        Ok(Cause {
            actor: self.mutation.actor(),
            source: Source { system: "cli".to_owned(), reference: None },
            reason: self.mutation.reason.clone(),
            idempotency: None,
            accept_time: self.accept_time.as_ref().map(|at| at.resolve(None)).transpose()?,
        })
    }

    /// Whether nothing is to be done.
    pub(crate) const fn is_dry_run(&self) -> bool {
        self.mutation.dry_run
    }

    /// Refuses a change that nobody gives a reason for.
    pub(crate) fn require_reason(&self) -> Result<(), Failure> {
        self.mutation.required_reason().map(drop)
    }

    pub(crate) const fn intent(&self) -> Intent {
        if self.mutation.dry_run { Intent::DryRun } else { Intent::Do }
    }
}

#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// The file that `backup` wrote
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(crate) struct RecoverArgs {
    /// Attest that no other nodes than those that report got seats since the backup
    #[arg(long)]
    pub(crate) attest: bool,
    /// Of this account only; may be given more than once [default: all that are frozen]
    #[arg(long, requires = "attest")]
    pub(crate) account: Vec<String>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(crate) struct NodeRecoverArgs {
    /// Its id or name
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// A label for people [default: the name of this machine]
    #[arg(long, value_name = "NAME")]
    pub(crate) realm: Option<String>,
    /// For trying things: nothing it signs verifies where live is expected
    #[arg(long)]
    pub(crate) sandbox: bool,
    /// How hard guessing the passphrase is: 2^N rounds
    #[arg(long, value_name = "N", default_value_t = KDF_COST_DEFAULT, value_parser = kdf_cost)]
    pub(crate) kdf_cost: u8,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// Listen here; port 0 picks a free one [default: 127.0.0.1:7581]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// The configuration [default: /etc/leasehold/issuer.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Say that the clock is right: it is T now
    #[arg(long, value_name = "T")]
    pub(crate) accept_time: Option<Moment>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum TrustVerb {
    /// Write the trust root to a file
    Export {
        /// Where to
        file: PathBuf,
    },
    /// Print the trust root
    Show,
}

#[derive(Subcommand, Debug)]
pub(crate) enum KeyVerb {
    /// List them
    List,
}

#[derive(Subcommand, Debug)]
pub(crate) enum AccountVerb {
    /// Make an account
    Create(AccountCreateArgs),
    /// List them
    List,
    /// Show one
    Show {
        /// Its id or name
        account: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct AccountCreateArgs {
    /// What people call it
    #[arg(long)]
    pub(crate) name: String,
    /// The account above it
    #[arg(long, value_name = "ACCOUNT")]
    pub(crate) parent: Option<String>,
    /// Where its data belongs
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// Where its dates are meant, for example Europe/Berlin
    #[arg(long, value_parser = timezone)]
    pub(crate) timezone: Option<Tz>,
    /// What another system calls it
    #[arg(long, value_name = "SYSTEM:ID", value_parser = external)]
    pub(crate) external: Vec<External>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ProductVerb {
    /// Make a product
    Create(ProductCreateArgs),
    /// List them
    List,
    /// Show one
    Show {
        /// Its id or SKU
        product: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct ProductCreateArgs {
    /// What applications ask for
    #[arg(long)]
    pub(crate) sku: String,
    /// A feature that grants may include
    #[arg(long)]
    pub(crate) feature: Vec<String>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum PoolVerb {
    /// List them
    List,
    /// Show one
    Show {
        /// Its id, or the SKU of its product
        pool: String,
    },
}

#[derive(Subcommand, Debug)]
pub(crate) enum NodeVerb {
    /// Let a node enrol: makes its join code
    Register(NodeRegisterArgs),
    /// Attest that no copy of a node runs, so that it may recover once more
    Recover(NodeRecoverArgs),
    /// List them
    List,
    /// Show one
    Show {
        /// Its id or name
        node: String,
    },
}

#[derive(Args, Debug)]
pub(crate) struct NodeRegisterArgs {
    /// Whose
    #[arg(long)]
    pub(crate) account: String,
    /// What people call it
    #[arg(long)]
    pub(crate) name: String,
    /// Where it stands
    #[arg(long)]
    pub(crate) site: Option<String>,
    /// How it is reached
    #[arg(long, value_enum, default_value_t = Class::Online)]
    pub(crate) class: Class,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum AllocationVerb {
    /// Give a node seats of a pool
    Create(Box<AllocationCreateArgs>),
    /// List them
    List,
    /// Ask its node to give seats back; they are free once it has released them
    Shrink(AllocationShrinkArgs),
}

#[derive(Args, Debug)]
pub(crate) struct AllocationShrinkArgs {
    /// Its id
    pub(crate) allocation: String,
    /// How many seats it shall keep
    #[arg(long, value_name = "N")]
    pub(crate) seats: u32,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "two pairs of flags that exclude each other")]
pub(crate) struct AllocationCreateArgs {
    /// Which pool: id, or the SKU of its product
    #[arg(long)]
    pub(crate) pool: String,
    /// Which node
    #[arg(long)]
    pub(crate) node: String,
    /// How many seats
    #[arg(long)]
    pub(crate) seats: SeatCount,
    /// Its end, cut to what the grant allows: RFC 3339, or a date [default: that]
    #[arg(long, value_name = "T")]
    pub(crate) until: Option<Moment>,
    /// Where a date is meant [default: the account's]
    #[arg(long, value_parser = timezone)]
    pub(crate) timezone: Option<Tz>,
    /// To the grant's end; needs no contact
    #[arg(long, conflicts_with = "elastic")]
    pub(crate) base: bool,
    /// For 7 days at most, renewed at half of it
    #[arg(long)]
    pub(crate) elastic: bool,
    /// Not to be taken back before its end
    #[arg(long, conflicts_with = "movable")]
    pub(crate) fixed: bool,
    /// May be taken back
    #[arg(long)]
    pub(crate) movable: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum BundleVerb {
    /// Answer a node's request with all it is entitled to
    Create(BundleCreateArgs),
    /// Take a node's receipt: what it applied, and what it gives back
    Receive(BundleReceiveArgs),
}

#[derive(Args, Debug)]
pub(crate) struct BundleReceiveArgs {
    /// What `leasehold-node receipt` wrote; - is standard input
    #[arg(value_name = "FILE|-")]
    pub(crate) file: OsString,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(crate) struct BundleCreateArgs {
    /// What `leasehold-node request` wrote; - is standard input
    #[arg(long, value_name = "FILE|-")]
    pub(crate) request: OsString,
    /// Where to
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Write text that survives mail instead of bytes
    #[arg(long)]
    pub(crate) armour: bool,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Subcommand, Debug)]
pub(crate) enum AuditVerb {
    /// Show records
    Query(AuditQueryArgs),
    /// Write all records to a file
    Export(AuditExportArgs),
    /// Check the chain, every record and every signature
    Verify {
        /// Check this directory, a copy perhaps [default: the issuer's own]
        #[arg(long, value_name = "DIR")]
        offline: Option<PathBuf>,
    },
}

/// Which records
#[derive(Args, Debug)]
pub(crate) struct AuditFilterArgs {
    /// Only what this actor did
    #[arg(long, value_name = "NAME")]
    pub(crate) by: Option<String>,
    /// Only what is of this account
    #[arg(long)]
    pub(crate) account: Option<String>,
    /// Only records of this kind, for example `grant_created`
    #[arg(long)]
    pub(crate) kind: Option<String>,
    /// Only from then on
    #[arg(long, value_name = "T")]
    pub(crate) since: Option<Moment>,
    /// Only before then
    #[arg(long, value_name = "T")]
    pub(crate) until: Option<Moment>,
}

#[derive(Args, Debug)]
pub(crate) struct AuditQueryArgs {
    #[command(flatten)]
    pub(crate) filter: AuditFilterArgs,
    /// The newest so many of them, up to 100 000 [default: 1000]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u64>,
}

#[derive(Args, Debug)]
pub(crate) struct AuditExportArgs {
    #[command(flatten)]
    pub(crate) filter: AuditFilterArgs,
    /// How they are written
    #[arg(long, value_enum, default_value_t = Format::Ndjson)]
    pub(crate) format: Format,
    /// Where to
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ApiKeyVerb {
    /// Make a key; its secret is shown now, and again only to a repetition with the same idempotency key
    Create(ApiKeyCreateArgs),
    /// List them
    List,
    /// Give a key another secret; the old one opens nothing any more
    Rotate(ApiKeyChangeArgs),
    /// Close a key for ever
    Disable(ApiKeyChangeArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ApiKeyCreateArgs {
    /// What people call it
    #[arg(long)]
    pub(crate) name: String,
    /// What it may do
    #[arg(long, value_parser = roles())]
    pub(crate) role: Role,
    /// The account that it sees, and those below; for resellers and customers
    #[arg(long)]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ApiKeyChangeArgs {
    /// Its id or name
    pub(crate) api_key: String,
    #[command(flatten)]
    pub(crate) change: ChangeArgs,
}

fn kdf_cost(text: &str) -> Result<u8, String> {
    let refused = || format!("a cost is a number from {} to {}", KDF_COST.start(), KDF_COST.end());
    text.parse().ok().filter(|cost| KDF_COST.contains(cost)).ok_or_else(refused)
}

/// Named in the help.
fn roles() -> impl TypedValueParser<Value = Role> {
    let named = |name: String| Role::ALL.into_iter().find(|role| role.name() == name);
    PossibleValuesParser::new(Role::ALL.map(Role::name))
        .try_map(move |name| named(name).ok_or("no such role"))
}

fn external(text: &str) -> Result<External, String> {
    let (system, id) = text.split_once(':').ok_or("an external id is SYSTEM:ID, for example crm:4711")?;
    Ok(External { system: system.to_owned(), id: id.to_owned() })
}
