//! One run: everything that happens, in order of true time, from one seed.

use std::collections::{BTreeMap, BTreeSet};

use leasehold_node_core::Reply;
use leasehold_protocol::api::ImportResult;
use leasehold_protocol::artefact::Released;
use leasehold_protocol::code::Code;
use leasehold_protocol::ids::LeaseId;
use leasehold_tests::vendor::Vendor;
use sha2::{Digest as _, Sha256};

use crate::checker::{Checker, Gate, Gates, Violation};
use crate::client::{Answer, Client, Request, Seat};
use crate::faults::{Plan, draw_slew};
use crate::host_clock::TrueUs;
use crate::net::Net;
use crate::node_driver::{Asker, Command, Law, Made, NodeDriver};
use crate::rng::Rng;

const SECOND_US: i64 = 1_000_000;

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) violation: Option<Violation>,
    pub(crate) events: u64,
    pub(crate) gates: Gates,
    /// Hash over all events and answers.
    pub(crate) trace: [u8; 32],
}

/// Runs one seed under a law.
pub(crate) fn run(seed: u64, law: Law) -> Outcome {
    let mut world = World::new(seed, law);
    let violation = world.run().err();
    Outcome { violation, events: world.events, gates: world.gates, trace: world.trace.finalize().into() }
}

#[derive(Debug)]
enum Event {
    ClientWakes(usize),
    /// A command reaches the node.
    Arrives(Asker, Command),
    /// An answer reaches its client.
    Answered(Asker, Answer),
    /// The sync of a frame of this process returns.
    Synced(u64),
    /// This process wants to keep its clock.
    Tick(u64),
    NodeStarts,
    Fault(Fault),
    /// An operator carries a request to the issuer.
    AskIssuer,
    /// The issuer has longer rows to give.
    Extend,
    /// The issuer wants seats back.
    Shrink,
    /// Something ends about now.
    Look,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    ProcessCrash,
    /// The process dies, if it is still this one.
    CrashInSync(u64),
    Reboot,
    WallJump,
    Slew,
    Client,
}

struct World {
    plan: Plan,
    rng: Rng,
    now: TrueUs,
    queue: BTreeMap<(TrueUs, u64), Event>,
    scheduled: u64,
    events: u64,
    vendor: Vendor,
    node: NodeDriver,
    net: Net,
    clients: Vec<Client>,
    checker: Checker,
    gates: Gates,
    trace: Sha256,
    /// The process that granted each lease.
    granted_by: BTreeMap<LeaseId, u64>,
}

impl World {
    fn new(seed: u64, law: Law) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng.split());
        let vendor = Vendor::new(1);
        let node = NodeDriver::new(&plan, law, vendor.trust_root(), rng.split());
        let net = Net::new(plan.net, rng.split());
        let clients = plan.clients.iter().enumerate();
        let clients = clients.map(|(number, &client)| Client::new(number, client, rng.split())).collect();
        Self {
            rng,
            now: TrueUs(0),
            queue: BTreeMap::new(),
            scheduled: 0,
            events: 0,
            vendor,
            node,
            net,
            clients,
            checker: Checker::default(),
            gates: Gates::new(),
            trace: Sha256::new(),
            granted_by: BTreeMap::new(),
            plan,
        }
    }

    fn run(&mut self) -> Result<(), Violation> {
        self.at(TrueUs(0), Event::NodeStarts);
        self.at(TrueUs(SECOND_US), Event::AskIssuer);
        if let Some(at) = self.plan.extend_at {
            self.at(at, Event::Extend);
        }
        if let Some(at) = self.plan.shrink_at {
            self.at(at, Event::Shrink);
        }
        for number in 0..self.clients.len() {
            self.at(self.clients[number].wakes_at, Event::ClientWakes(number));
        }
        for fault in [Fault::ProcessCrash, Fault::Reboot, Fault::WallJump, Fault::Slew, Fault::Client] {
            self.next_fault(fault);
        }
        while let Some(((at, _), event)) = self.queue.pop_first() {
            if self.plan.until < at {
                break;
            }
            self.now = at;
            self.events += 1;
            self.trace.update(format!("{} {event:?}\n", at.0));
            self.happen(event)?;
            self.check()?;
        }
        self.journal_is_the_state()
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::ClientWakes(number) => self.client_wakes(number),
            Event::Arrives(asker, command) => {
                self.node.deliver(asker, command);
                return self.make_frame(false);
            }
            Event::Answered(asker, answer) => self.answered(asker, answer),
            Event::Synced(process) if process == self.node.incarnation && self.node.runs() => {
                let released = self.node.synced();
                self.release(released)?;
                return self.make_frame(false);
            }
            Event::Tick(process) if process == self.node.incarnation && self.node.runs() => {
                self.at(self.now.plus(60 * SECOND_US), Event::Tick(process));
                return self.make_frame(true);
            }
            Event::Synced(_) | Event::Tick(_) | Event::Look => {}
            Event::NodeStarts => return self.node_starts(),
            Event::Fault(fault) => return self.fault(fault),
            Event::AskIssuer => {
                self.node.deliver(Asker::Operator, Command::MakeRequest);
                return self.make_frame(false);
            }
            Event::Extend => self.extend(),
            Event::Shrink => self.shrink(),
        }
        Ok(())
    }

    fn client_wakes(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if client.wakes_at != self.now {
            return;
        }
        let (request, cut_off) = (client.wake(self.now), client.cut_off_until > self.now);
        let wakes_at = client.wakes_at;
        self.at(wakes_at, Event::ClientWakes(number));
        let Some((attempt, request)) = request.filter(|_| !cut_off) else { return };
        let command = match request {
            Request::Checkout(checkout) => Command::Checkout(checkout),
            Request::Renew(lease) => Command::Renew(lease),
            Request::Release(lease) => Command::Release(lease),
        };
        for at in self.arrivals() {
            self.at(at, Event::Arrives(Asker::Client(number, attempt), command.clone()));
        }
    }

    fn answered(&mut self, asker: Asker, answer: Answer) {
        let Asker::Client(number, attempt) = asker else { return };
        let client = &mut self.clients[number];
        if client.cut_off_until > self.now {
            return;
        }
        let wakes_at = client.wakes_at;
        client.hear(self.now, attempt, answer);
        let next = client.wakes_at;
        if next != wakes_at {
            self.at(next, Event::ClientWakes(number));
        }
    }

    fn make_frame(&mut self, tick: bool) -> Result<(), Violation> {
        let Some(made) = self.node.make_frame(self.now, tick) else { return Ok(()) };
        Checker::bounds(&made.stamp, self.now)?;
        self.judge(&made)?;
        self.count(Gate::Eviction, made.evictions);
        if let Some(sync_us) = made.sync_us {
            let process = self.node.incarnation;
            self.at(self.now.plus(sync_us), Event::Synced(process));
            if self.rng.chance(self.plan.crash_permille) {
                let during_us = self.rng.between(0, sync_us);
                self.at(self.now.plus(during_us), Event::Fault(Fault::CrashInSync(process)));
            }
            // Comparing the whole state costs as much as many events.
            if self.rng.chance(2) {
                self.journal_is_the_state()?;
            }
        }
        self.release(made.released)
    }

    /// Every decision, before anybody hears of it.
    fn judge(&mut self, made: &Made) -> Result<(), Violation> {
        let mut in_this_frame = BTreeSet::new();
        for decided in &made.decided {
            self.trace.update(format!("{decided:?}\n"));
            let history = self.node.history().expect("a process made the frame");
            Checker::decided(&decided.reply, &made.stamp, made.svc_ps, history)?;
            if let (Reply::Seat(seat), Asker::Client(..)) = (&decided.reply, decided.asker) {
                let process = self.node.incarnation;
                let granted_by = self.granted_by.get(&seat.lease).copied();
                self.granted_by.entry(seat.lease).or_insert(process);
                let repeated = !in_this_frame.insert(seat.lease);
                self.count(Gate::RetryInOneFrame, usize::from(repeated));
                let retry = granted_by.is_some() && decided.is_checkout;
                self.count(Gate::Retry, usize::from(retry));
                self.count(Gate::RetryAcrossRestart, usize::from(retry && granted_by != Some(process)));
                self.count(Gate::Renewal, usize::from(!decided.is_checkout));
                self.count(Gate::AllowedInGrace, usize::from(seat.code == Code::AllowedGrace));
                self.count(Gate::SeveralSeatsAtOnce, usize::from(seat.count > 1));
            }
            let released = matches!(decided.reply, Reply::Released(true));
            self.count(Gate::Release, usize::from(released));
            self.count_refusal(&decided.reply);
        }
        Ok(())
    }

    fn release(&mut self, released: Vec<(Asker, Reply)>) -> Result<(), Violation> {
        for (asker, reply) in released {
            let answer = match reply {
                Reply::Seat(seat) => {
                    self.checker.released(&seat)?;
                    Answer::Seat(Seat {
                        lease: seat.lease,
                        epoch: seat.epoch,
                        pool: seat.pool,
                        slots: seat.slots,
                        ttl_ms: seat.ttl_ms,
                        age_ms: seat.age_ms,
                    })
                }
                Reply::Denied(_) => Answer::Denied,
                Reply::Refused(problem) if asker == Asker::Operator => {
                    // Two requests may be on their way; the answer to the later one may come first.
                    if problem.code != Code::BundleRollback {
                        return Err(Violation(format!("{problem:?}")));
                    }
                    continue;
                }
                Reply::Refused(_) => Answer::Refused,
                Reply::Released(_) => Answer::Released,
                Reply::Request(request) => {
                    self.issuer_answers(&request);
                    continue;
                }
                Reply::Receipt(_)
                | Reply::Surrendered(_)
                | Reply::ForceReleased(_)
                | Reply::IssuerNamed
                | Reply::Recovering(_)
                | Reply::Noted => continue,
                Reply::Imported(imported) => {
                    assert_eq!(imported.result, ImportResult::Applied, "each bundle is made once");
                    continue;
                }
            };
            for at in self.arrivals() {
                self.at(at, Event::Answered(asker, answer.clone()));
            }
        }
        Ok(())
    }

    fn issuer_answers(&mut self, request: &leasehold_protocol::artefact::Request) {
        self.take_back(&request.released);
        let (error_ms, late_ms) = (self.plan.issuer_error_ms, self.rng.pick(&[0, 0, 10_000]));
        let wall = self.now.unix();
        self.plan.offer.issued_at = wall;
        self.plan.offer.time = Some((wall.plus(-late_ms), wall.plus(1 + error_ms)));
        let bundle = self.vendor.answer(request, &self.plan.offer);
        self.checker.sign(&self.plan.offer);
        self.plan.offer.serial += 1;
        let ends: Vec<TrueUs> = self.checker.ends().collect();
        for end in ends {
            self.at(end.max(self.now), Event::Look);
        }
        let carried = self.now.plus(self.rng.log_between(10_000, 30 * SECOND_US));
        self.at(carried, Event::Arrives(Asker::Operator, Command::Import(bundle)));
    }

    fn extend(&mut self) {
        for row in self.plan.offer.pools.iter_mut().flat_map(|pool| &mut pool.rows) {
            row.seq += 1;
            row.not_after = row.not_after.plus(self.rng.between(60_000, 1_200_000));
        }
        self.count(Gate::RowsExtended, 1);
        self.at(self.now, Event::AskIssuer);
    }

    /// The issuer wants seats back, and is told of them until the end.
    fn shrink(&mut self) {
        for row in self.plan.offer.pools.iter_mut().flat_map(|pool| &mut pool.rows) {
            row.seq += 1;
            row.shrink_to = Some(u32::try_from(self.rng.between(0, i64::from(row.slots.len()))).unwrap_or(0));
        }
        let mut at = self.now;
        while at < self.plan.until {
            self.at(at, Event::AskIssuer);
            at = at.plus(self.rng.between(30 * SECOND_US, 180 * SECOND_US));
        }
    }

    /// What the node gave back is somebody else's. Its rows are signed anew without it.
    fn take_back(&mut self, released: &[Released]) {
        let Some(report) = released.iter().map(|release| release.report_seq).max() else { return };
        for release in released {
            let row = self.vendor.row_of(release.allocation).expect("nodes give back what they were given");
            for pool in &mut self.plan.offer.pools {
                let id = pool.id();
                for row in pool.rows.iter_mut().filter(|known| known.number == row) {
                    let slots = row.slots.without(&row.slots.without(&release.slots));
                    if slots.is_empty() {
                        continue;
                    }
                    row.slots.remove_all(&slots);
                    (row.seq, row.acked_report_seq) = (row.seq + 1, report);
                    self.checker.free(id, &slots);
                    *self.gates.entry(Gate::SlotsFreed).or_default() += u64::from(slots.len());
                }
                pool.rows.retain(|row| !row.slots.is_empty());
            }
        }
    }

    fn node_starts(&mut self) -> Result<(), Violation> {
        if self.node.runs() {
            return Ok(());
        }
        self.node.start(self.now);
        self.at(self.now, Event::Tick(self.node.incarnation));
        self.checker.restarted(&mut self.node, self.now)
    }

    fn fault(&mut self, fault: Fault) -> Result<(), Violation> {
        match fault {
            Fault::ProcessCrash => self.node_crashes(Gate::ProcessRestart)?,
            Fault::CrashInSync(process) => {
                if process == self.node.incarnation {
                    self.node_crashes(Gate::ProcessRestart)?;
                }
                return Ok(());
            }
            Fault::Reboot => {
                self.node_crashes(Gate::HostReboot)?;
                self.node.clock.reboot(self.now, &mut self.rng);
                if self.rng.chance(500) {
                    self.at(self.now.plus(90 * SECOND_US), Event::AskIssuer);
                }
            }
            Fault::WallJump => {
                let offset_ms = self.rng.between(-self.plan.wall_error_ms, self.plan.wall_error_ms);
                let before = self.node.clock.read(self.now).wall_ms;
                self.node.clock.jump_wall_to_offset(self.now, offset_ms);
                let forward = self.node.clock.read(self.now).wall_ms.since(before) > 300_000;
                self.count(Gate::ForwardJump, usize::from(forward));
            }
            Fault::Slew => {
                let slew_ppm = draw_slew(&mut self.rng);
                self.node.clock.slew(self.now, slew_ppm);
                self.count(Gate::Slew, 1);
            }
            Fault::Client => self.client_fault(),
        }
        self.next_fault(fault);
        Ok(())
    }

    fn node_crashes(&mut self, gate: Gate) -> Result<(), Violation> {
        if self.node.runs() {
            self.journal_is_the_state()?;
            self.count(gate, 1);
            self.count(Gate::CrashWithUnsyncedFrame, usize::from(self.node.has_unsynced()));
            let lost = self.node.crash();
            self.count(Gate::FrameLost, usize::from(lost));
        }
        let off_us = self.rng.log_between(1_000, 120 * SECOND_US);
        self.at(self.now.plus(off_us), Event::NodeStarts);
        Ok(())
    }

    fn client_fault(&mut self) {
        let last = i64::try_from(self.clients.len()).unwrap_or(1) - 1;
        let number = usize::try_from(self.rng.between(0, last)).unwrap_or(0);
        let kind = self.rng.between(0, 3);
        let cut_us = self.rng.log_between(SECOND_US, 400 * SECOND_US);
        let client = &mut self.clients[number];
        let believes = client.believes(self.now).is_some();
        match kind {
            0 => client.jump_wall(self.now),
            1 => {
                client.crash(self.now);
                let wakes_at = client.wakes_at;
                self.at(wakes_at, Event::ClientWakes(number));
                self.count(Gate::SilentClientCrash, usize::from(believes));
            }
            _ => {
                client.cut_off_until = self.now.plus(cut_us);
                self.count(Gate::BelieverCutOff, usize::from(believes));
            }
        }
    }

    fn next_fault(&mut self, fault: Fault) {
        let mean_us = match fault {
            Fault::ProcessCrash => self.plan.process_crash_us,
            Fault::Reboot => self.plan.reboot_us,
            Fault::WallJump => self.plan.wall_jump_us,
            Fault::Slew => self.plan.slew_us,
            Fault::Client => self.plan.client_fault_us,
            Fault::CrashInSync(_) => None,
        };
        if let Some(mean_us) = mean_us {
            let at = self.now.plus(self.rng.between(1, 2 * mean_us));
            self.at(at, Event::Fault(fault));
        }
    }

    fn check(&mut self) -> Result<(), Violation> {
        let now = self.now;
        self.checker.beliefs(now, self.clients.iter_mut().filter_map(|client| client.believes(now)))
    }

    fn journal_is_the_state(&self) -> Result<(), Violation> {
        let differs = || Violation("the live state is not what the journal says".to_owned());
        if self.node.is_its_journal() { Ok(()) } else { Err(differs()) }
    }

    fn count_refusal(&mut self, reply: &Reply) {
        let code = match reply {
            Reply::Denied(denial) => denial.code,
            Reply::Refused(problem) => problem.code,
            _ => return,
        };
        let gate = match code {
            Code::PoolExhausted => Gate::PoolFull,
            Code::AllocationEnded => Gate::DenialByRowEnd,
            Code::Expired => Gate::DenialByGrantEnd,
            Code::ClockUntrusted | Code::ClockRolledBack => Gate::DenialByClock,
            Code::LeaseLost => Gate::LeaseLost,
            Code::LeaseEnded => Gate::EndedKey,
            _ => return,
        };
        self.count(gate, 1);
    }

    fn arrivals(&mut self) -> Vec<TrueUs> {
        let arrivals = self.net.arrivals(self.now);
        self.count(Gate::MessageLost, usize::from(arrivals.is_empty()));
        self.count(Gate::DuplicateDelivery, usize::from(arrivals.len() > 1));
        arrivals
    }

    fn count(&mut self, gate: Gate, times: usize) {
        if times > 0 {
            *self.gates.entry(gate).or_default() += times as u64;
        }
    }

    fn at(&mut self, at: TrueUs, event: Event) {
        self.scheduled += 1;
        self.queue.insert((at, self.scheduled), event);
    }
}
