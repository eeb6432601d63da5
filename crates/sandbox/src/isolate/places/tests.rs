//! The rules of places, each as a small story of programs that come and leave.

use super::*;

const BOUNDS: Bounds = Bounds {
    workers_min: 1,
    workers_max: 3,
    seats: 6,
    served_max: 1_000,
    waiting_max: 50,
};

/// Places that start their workers at once.
struct Bench {
    places: Places,
    tickets: HashMap<u64, String>,
}

impl Bench {
    /// With a tenant that was there before.
    fn new(bounds: Bounds) -> Bench {
        let mut places = Places::new(bounds);
        places.first = Some("earlier".into());
        Bench {
            places,
            tickets: HashMap::new(),
        }
    }

    fn ask(&mut self, tenant: &str, times: usize) {
        for _ in 0..times {
            let ticket = self.places.ask(tenant).expect("it may wait");
            self.tickets.insert(ticket, tenant.into());
        }
    }

    /// Everything that can be given, as (tenant, worker).
    fn settle(&mut self) -> Vec<(String, u64)> {
        let mut given = Vec::new();
        loop {
            while let Some((ticket, worker)) = self.places.assign() {
                given.push((self.tickets[&ticket].clone(), worker));
            }
            let more = self.places.start_more();
            for _ in 0..more {
                self.places.opened();
            }
            if more == 0 {
                return given;
            }
        }
    }

    fn workers_of(&self, tenant: &str) -> usize {
        let of = |s: &&Slot| s.tenant.as_deref() == Some(tenant);
        self.places.slots.iter().filter(of).count()
    }
}

#[test]
fn tenants_do_not_share_and_the_last_free_worker_is_for_another() {
    let mut bench = Bench::new(BOUNDS);
    bench.ask("a", 40);
    let given = bench.settle();
    assert_eq!(given.len(), 12, "two workers of six places: {given:?}");
    assert_eq!(bench.workers_of("a"), 2);
    bench.ask("b", 1);
    let given = bench.settle();
    assert_eq!(given.len(), 1);
    assert_eq!(given[0].0, "b", "nobody of a's forty was before it");
}

#[test]
fn a_tenant_that_is_alone_gets_everything() {
    let mut bench = Bench::new(BOUNDS);
    bench.places.first = None;
    bench.ask("a", 40);
    assert_eq!(bench.settle().len(), 18, "three workers of six places");
    bench.ask("b", 1);
    assert!(bench.settle().is_empty());
    assert!(
        bench.places.slots.iter().any(|s| s.draining),
        "one is given up"
    );
}

#[test]
fn a_tenant_without_a_worker_gets_the_first_that_is_empty() {
    let mut bench = Bench::new(BOUNDS);
    bench.ask("a", 40);
    let of_a = bench.settle();
    bench.ask("b", 1);
    bench.settle();
    bench.ask("c", 3);
    assert!(
        bench.settle().is_empty(),
        "no worker is free for a third tenant"
    );
    // One of a's two is given up, and takes no more of a's although there is room.
    let given_up = bench.places.slots.iter().find(|s| s.draining).expect("one");
    assert_eq!(given_up.tenant.as_deref(), Some("a"));
    let number = given_up.number;
    let left: Vec<_> = of_a.iter().filter(|(_, w)| *w == number).collect();
    for (index, _) in left.iter().enumerate() {
        bench.places.left(number);
        let given = bench.settle();
        let last = index + 1 == left.len();
        assert_eq!(given.iter().any(|(t, _)| t == "c"), last, "{given:?}");
        assert!(last || given.is_empty(), "{given:?}");
    }
    assert!(
        !bench.places.slots.iter().any(|s| s.draining),
        "nobody waits for one any more"
    );
}

#[test]
fn more_tenants_than_workers_take_turns() {
    let mut bench = Bench::new(Bounds {
        workers_max: 1,
        ..BOUNDS
    });
    let mut finished: Vec<String> = Vec::new();
    for tenant in ["a", "b", "c"] {
        bench.ask(tenant, 20);
    }
    let mut inside = bench.settle();
    while let Some((tenant, worker)) = inside.pop() {
        bench.places.left(worker);
        finished.push(tenant);
        inside.extend(bench.settle());
    }
    assert_eq!(finished.len(), 60);
    let first = |tenant: &str| finished.iter().position(|t| t == tenant);
    assert!(
        first("c") < Some(20),
        "the third waits for no whole queue: {finished:?}"
    );
}

#[test]
fn a_queue_is_bounded_for_its_own_tenant_only() {
    let mut bench = Bench::new(Bounds {
        workers_max: 1,
        ..BOUNDS
    });
    bench.ask("a", 6);
    bench.settle();
    bench.ask("a", 50);
    assert_eq!(bench.places.ask("a"), None);
    assert!(bench.places.ask("b").is_some());
}

#[test]
fn one_worker_is_spare_while_others_are_busy() {
    let mut bench = Bench::new(BOUNDS);
    bench.ask("a", 1);
    bench.settle();
    assert_eq!(bench.places.count(), (2, 1));
    bench.ask("b", 1);
    bench.settle();
    assert_eq!(bench.places.count(), (3, 2));
    bench.ask("c", 1);
    bench.settle();
    assert_eq!(bench.places.count(), (3, 3), "never more than the maximum");
}

#[test]
fn a_worker_is_recycled_after_its_share() {
    let bounds = Bounds {
        served_max: 2,
        workers_max: 1,
        ..BOUNDS
    };
    let mut bench = Bench::new(bounds);
    bench.ask("a", 3);
    let given = bench.settle();
    assert_eq!(given.len(), 2, "the third is for the next worker");
    let worker = given[0].1;
    assert_eq!(bench.places.left(worker), Left::Stays);
    assert_eq!(bench.places.left(worker), Left::Ends);
    assert!(bench.settle().is_empty(), "it takes no more while it ends");
    assert_eq!(bench.places.gone(worker), (None, 0));
    let given = bench.settle();
    assert!(given.len() == 1 && given[0].1 != worker, "{given:?}");
}

#[test]
fn who_waits_for_nothing_hears_of_it() {
    let mut places = Places::new(BOUNDS);
    let ticket = places.ask("a").expect("a ticket");
    assert_eq!(places.start_more(), 1);
    assert_eq!(places.nobody_comes(), [ticket]);
    places.not_opened();
    assert_eq!(places.assign(), None);
}
