//! Open requests: which of them a bundle may answer, and what they tell of use until one does.

use leasehold_node_core::{Input, Reply, ReplyTo, Way, limits};
use leasehold_protocol::artefact::{JournalTail, Request};
use leasehold_protocol::bytes::Digest;
use leasehold_protocol::code::Code;
use leasehold_tests::vendor::PoolOffer;

use crate::rig::{Rig, cause, imported, refused, wish};

impl Rig {
    /// A request that the node sends by itself.
    fn network_request(&mut self) -> Request {
        let journal = JournalTail { seq: 0, chain: Digest([0; 32]) };
        let (cause, way) = (cause(), Way::Network);
        match self.ask(Input::MakeRequest { to: ReplyTo(0), cause, way, present: false, join: None, journal })
        {
            Reply::Request(request) => *request,
            other => panic!("{other:?}"),
        }
    }

    fn answer_to(&mut self, request: &Request) -> Vec<u8> {
        let offer = self.offer(vec![PoolOffer::new(1, "cad", 5)]);
        self.vendor.answer(request, &offer)
    }
}

/// Most seats at once, grants and denials.
fn told(request: &Request) -> (u32, u64, u64) {
    let pool = &request.usage[0];
    (pool.peak_seats, pool.granted, pool.denied)
}

#[test]
fn what_a_courier_carries_is_answered_however_often_the_node_asked_meanwhile() {
    let mut rig = Rig::with_seats(5);
    let carried = rig.request();
    let first = rig.network_request();
    for _ in 0..2 * limits::OPEN_REQUESTS {
        rig.network_request();
    }
    let late = rig.answer_to(&first);
    assert_eq!(refused(rig.import(late)).code, Code::BundleWrongNode, "it was displaced");
    let newest = rig.network_request();
    let bundle = rig.answer_to(&newest);
    imported(rig.import(bundle));
    for _ in 0..2 * limits::OPEN_REQUESTS {
        let request = rig.network_request();
        let bundle = rig.answer_to(&request);
        imported(rig.import(bundle));
    }
    rig.restart();
    let bundle = rig.answer_to(&carried);
    imported(rig.import(bundle));
}

#[test]
fn use_is_told_until_a_report_of_it_is_answered() {
    let mut rig = Rig::with_seats(5);
    let leases = [0, 1, 2, 3].map(|key| rig.seat(key).lease);
    for lease in leases {
        rig.release(lease);
    }
    let first = rig.network_request();
    assert_eq!(told(&first), (4, 4, 0));
    rig.seat(4);
    rig.seat(5);
    assert_eq!(told(&rig.request()), (4, 6, 0), "the first one may be lost");
    let second = rig.network_request();
    assert_eq!(told(&second), (4, 6, 0), "and has made room for this one");
    rig.seat(6);
    rig.checkout(wish(7));
    rig.restart();
    let bundle = rig.answer_to(&second);
    imported(rig.import(bundle));
    rig.restart();
    assert_eq!(told(&rig.network_request()), (4, 2, 0), "what came after the answered one");
    let third = rig.network_request();
    let bundle = rig.answer_to(&third);
    imported(rig.import(bundle));
    assert_eq!(told(&rig.network_request()), (4, 0, 0), "seats in use are a peak");
}

#[test]
fn what_an_evicted_request_told_is_told_by_the_next() {
    let mut rig = Rig::with_seats(5);
    rig.seat(0);
    for _ in 0..2 * limits::OPEN_REQUESTS {
        assert_eq!(told(&rig.request()), (1, 1, 0));
    }
}
