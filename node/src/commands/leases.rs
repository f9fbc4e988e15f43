//! `leases`: who holds which seat.

use leasehold_cli::{Failure, Output, People};
use leasehold_protocol::api::{LeaseStatus, LeasesAnswer};
use leasehold_protocol::code::Code;

use super::pools;
use crate::admin::Admin;
use crate::cli::LeasesArgs;
use crate::data_dir::DataDir;
use crate::store;

pub(super) fn run(dir: &DataDir, args: &LeasesArgs, output: Output) -> Result<(), Failure> {
    let pool = args.pool.as_deref().map(|pool| pools::find(dir, pool)).transpose()?;
    let mut answer = read(dir)?;
    answer.leases.retain(|lease| {
        pool.is_none_or(|pool| lease.pool_id == pool)
            && args.holder.as_ref().is_none_or(|holder| is_held_by(&lease.holder, holder))
    });
    output.answer(&answer, &table(&answer.leases))
}

fn read(dir: &DataDir) -> Result<LeasesAnswer, Failure> {
    if let Some(admin) = Admin::find(dir)? {
        return admin.get("/v1/leases");
    }
    let snapshot = store::look(dir)?;
    let now = leasehold_clock::read().map_err(|error| {
        Failure::new(Code::Internal, format!("cannot read the clock: {error}"), "mount /proc")
    })?;
    Ok(snapshot.core.leases(&now))
}

/// `user@host` as a whole, or one side of it. Users may contain an `@`; hosts do not.
fn is_held_by(holder: &str, wanted: &str) -> bool {
    let (user, host) = holder.rsplit_once('@').unwrap_or((holder, ""));
    holder == wanted || user == wanted || wanted.strip_prefix('@') == Some(host)
}

fn table(leases: &[LeaseStatus]) -> People {
    let head = ["lease", "pool", "product", "slot", "state", "holder", "acquired", "expires in"];
    People::table(
        head,
        leases.iter().map(|lease| {
            [
                lease.lease_id.to_string(),
                lease.pool_id.to_string(),
                lease.product.clone(),
                slots(lease),
                state(lease),
                lease.holder.clone(),
                lease.acquired_at.clone(),
                leasehold_cli::duration::show(lease.expires_in_ms),
            ]
        }),
    )
}

fn state(lease: &LeaseStatus) -> String {
    if lease.overage { format!("{} (overdraft)", lease.state) } else { lease.state.to_string() }
}

fn slots(lease: &LeaseStatus) -> String {
    match (&lease.slot, &lease.slots) {
        (Some(slot), _) => slot.to_string(),
        (None, Some(slots)) => slots.iter().map(u32::to_string).collect::<Vec<_>>().join(","),
        (None, None) => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::is_held_by;

    #[test]
    fn a_holder_is_named_whole_or_by_one_side() {
        for (holder, wanted, held) in [
            ("ann@cad1", "ann@cad1", true),
            ("ann@cad1", "ann", true),
            ("ann@cad1", "@cad1", true),
            ("ann@cad1", "cad1", false),
            ("ann@cad1", "an", false),
            ("ann@cad1", "", false),
            ("ann@corp@cad1", "ann@corp", true),
            ("ann@corp@cad1", "@corp", false),
        ] {
            assert_eq!(is_held_by(holder, wanted), held, "{holder} {wanted}");
        }
    }
}
