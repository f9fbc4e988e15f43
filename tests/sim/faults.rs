//! What goes wrong in a run, drawn from its seed: each fault is there or not, at rates of its own.

use leasehold_protocol::artefact::{AllocationKind, Seats, TtlBounds};
use leasehold_protocol::slots::SlotSet;
use leasehold_tests::vendor::{DAY_MS, Offer, PoolOffer, RowOffer};

use crate::host_clock::{ClockErrors, TrueUs};
use crate::net::NetFaults;
use crate::rng::Rng;

const MINUTE_MS: i64 = 60_000;
const MINUTE_US: i64 = 60_000_000;
/// STOP and G tolerate 15.8 % of rate error on each side.
const RATE_PPM: i64 = 150_000;
/// What the node allows an oscillator.
const RAW_PPM: i64 = 500;

/// The plan of one run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) until: TrueUs,
    pub(crate) node_clock: ClockErrors,
    pub(crate) clients: Vec<ClientPlan>,
    pub(crate) net: NetFaults,
    pub(crate) max_sync_us: i64,
    /// Share of frames during whose sync the process dies.
    pub(crate) crash_permille: i64,
    /// Mean time between faults of each kind; none: it does not happen.
    pub(crate) process_crash_us: Option<i64>,
    pub(crate) reboot_us: Option<i64>,
    pub(crate) wall_jump_us: Option<i64>,
    pub(crate) slew_us: Option<i64>,
    pub(crate) client_fault_us: Option<i64>,
    /// Wall clocks stay within this of true time, as the rules of `hi` assume.
    pub(crate) wall_error_ms: i64,
    /// How far beyond true time the issuer's upper bound lies.
    pub(crate) issuer_error_ms: i64,
    pub(crate) offer: Offer,
    /// When rows are replaced by longer ones.
    pub(crate) extend_at: Option<TrueUs>,
    /// When the issuer wants seats back.
    pub(crate) shrink_at: Option<TrueUs>,
}

/// How one client behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientPlan {
    pub(crate) clock: ClockErrors,
    pub(crate) seats: u32,
    pub(crate) product: u8,
    /// Share of renewals that are not even tried.
    pub(crate) lazy_permille: i64,
    /// Mean time of use before a release.
    pub(crate) use_ms: i64,
}

impl Plan {
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let synced = rng.chance(600);
        // The rest of the allowed five minutes, or day, is left to what slewing does in the run.
        let wall_error_ms = if synced { MINUTE_MS } else { 23 * 60 * MINUTE_MS };
        let until = TrueUs(rng.between(8, 20) * MINUTE_US);
        let sometimes = |rng: &mut Rng, low_min: i64, high_min: i64| {
            rng.chance(600).then(|| rng.between(low_min * MINUTE_US, high_min * MINUTE_US))
        };
        let offer = draw_offer(rng, until);
        let products = i64::try_from(offer.pools.len()).unwrap_or(1);
        let clients = (0..rng.between(3, 10)).map(|_| ClientPlan::draw(rng, products)).collect();
        Self {
            until,
            node_clock: ClockErrors {
                raw_ppm: rng.pick(&[-RAW_PPM, -20, 0, 20, RAW_PPM]),
                slew_ppm: draw_slew(rng),
                wall_offset_ms: rng.between(-wall_error_ms, wall_error_ms),
                synced,
            },
            clients,
            net: NetFaults {
                loss_permille: rng.pick(&[0, 10, 100, 300]),
                duplicate_permille: rng.pick(&[0, 50, 300]),
                max_delay_us: rng.log_between(200, 2_000_000),
                straggler_permille: rng.pick(&[0, 20, 100]),
            },
            max_sync_us: rng.log_between(100, 1_000_000),
            crash_permille: rng.pick(&[0, 10, 50]),
            process_crash_us: sometimes(rng, 2, 10),
            reboot_us: sometimes(rng, 4, 15),
            wall_jump_us: sometimes(rng, 1, 10),
            slew_us: sometimes(rng, 1, 10),
            client_fault_us: sometimes(rng, 1, 3),
            wall_error_ms,
            issuer_error_ms: rng.pick(&[0, 1_000, 5 * MINUTE_MS]),
            extend_at: rng.chance(500).then(|| TrueUs(rng.between(0, until.0))),
            shrink_at: rng.chance(500).then(|| TrueUs(rng.between(0, until.0 / 2))),
            offer,
        }
    }
}

impl ClientPlan {
    fn draw(rng: &mut Rng, products: i64) -> Self {
        let clock = ClockErrors {
            raw_ppm: rng.between(-RAW_PPM, RAW_PPM),
            slew_ppm: draw_slew(rng),
            wall_offset_ms: rng.between(-DAY_MS, DAY_MS),
            synced: false,
        };
        Self {
            clock,
            seats: rng.pick(&[1, 1, 1, 2]),
            product: u8::try_from(rng.between(1, products)).unwrap_or(1),
            lazy_permille: rng.pick(&[0, 100, 1000]),
            use_ms: rng.log_between(20_000, 1_200_000),
        }
    }
}

/// What NTP does to a clock: mostly nothing worth mentioning, sometimes all that is tolerated.
pub(crate) fn draw_slew(rng: &mut Rng) -> i64 {
    match rng.between(0, 3) {
        0 => rng.between(-100, 100),
        1 => rng.between(-RATE_PPM, RATE_PPM),
        _ => rng.pick(&[-RATE_PPM, RATE_PPM]),
    }
}

fn draw_offer(rng: &mut Rng, until: TrueUs) -> Offer {
    let pools = (1..=rng.pick(&[1, 1, 2, 3])).map(|number| draw_pool(rng, number, until)).collect();
    Offer::new(1, pools)
}

fn draw_pool(rng: &mut Rng, number: u8, until: TrueUs) -> PoolOffer {
    let seats = u32::try_from(rng.log_between(1, 8)).unwrap_or(1);
    let max_ms = rng.log_between(MINUTE_MS, 4 * MINUTE_MS);
    let ttl = TtlBounds { min_ms: MINUTE_MS, default_ms: rng.between(MINUTE_MS, max_ms), max_ms };
    let base = u32::try_from(rng.between(1, i64::from(seats))).unwrap_or(1);
    let end = |rng: &mut Rng| {
        // At the latest a minute after the run; now and then as a synchronised wall clock's error allows it.
        let early = TrueUs(rng.between(until.0 / 3, until.0)).unix();
        if rng.chance(500) { early } else { early.plus(5 * MINUTE_MS) }
    };
    let mut rows = vec![RowOffer::new(number * 10, SlotSet::range(0, base))];
    if rng.chance(700) {
        rows[0].not_after = end(rng);
    }
    if base < seats {
        let mut elastic = RowOffer::new(number * 10 + 1, SlotSet::range(base, seats - base));
        (elastic.kind, elastic.not_after) = (AllocationKind::Elastic, end(rng));
        rows.push(elastic);
    }
    let mut pool = PoolOffer { ttl, rows, seats: Seats::Value(seats), ..PoolOffer::new(number, "", seats) };
    pool.sku = format!("product-{number}");
    if rng.chance(200) {
        (pool.not_after, pool.grace_ms) = (end(rng), rng.between(0, 5 * MINUTE_MS));
    }
    pool
}
