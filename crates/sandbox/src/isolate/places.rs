//! Who gets a place in which worker, and who waits. Numbers only: it starts,
//! kills and waits for nothing, so every rule here is tried by tables below.
//!
//! Two tenants never share a worker at the same time. Once there are several, the
//! last free worker is kept for a tenant that has none; where none is free, tenants take turns, and
//! the one that holds most gives one up as soon as it is empty.

use std::collections::{HashMap, VecDeque};

/// Programs of one tenant that share a worker before another is taken for them.
const CROWDED: u32 = 4;
/// Programs held at once beyond which an idle worker is replaced: every place it
/// ever used stays mapped, about 1.6 MB each, and it needs no more than these.
const SWOLLEN: u32 = 2;

/// The bounds that places are given within.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub workers_min: usize,
    pub workers_max: usize,
    /// Programs in one worker.
    pub seats: u32,
    /// Programs after which a worker is recycled.
    pub served_max: u64,
    /// Programs of one tenant that may wait.
    pub waiting_max: usize,
}

/// A worker, by what matters for its places.
#[derive(Debug)]
struct Slot {
    number: u64,
    tenant: Option<String>,
    sessions: u32,
    /// The most sessions there were at one time.
    peak: u32,
    served: u64,
    /// Given up to the next tenant as soon as it is empty.
    draining: bool,
    /// Takes no more programs, and is ended when it is empty.
    retired: bool,
    /// When its tenant came to it: the order of that, not a time.
    since: u64,
}

/// What becomes of a worker that a program has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// It goes on.
    Stays,
    /// It may go when it has had no work for a while; it has served this many so far.
    Idle { served: u64 },
    /// It is to be ended now.
    Ends,
}

/// All workers and all who wait.
#[derive(Debug)]
pub(super) struct Places {
    bounds: Bounds,
    slots: Vec<Slot>,
    starting: usize,
    next: u64,
    waiting: HashMap<String, VecDeque<u64>>,
    /// The tenants that wait, the next one first.
    turns: VecDeque<String>,
    /// The first tenant there was, and whether there was ever another.
    first: Option<String>,
    several: bool,
}

impl Places {
    pub(super) fn new(bounds: Bounds) -> Places {
        Places {
            bounds,
            slots: Vec::new(),
            starting: 0,
            next: 0,
            waiting: HashMap::new(),
            turns: VecDeque::new(),
            first: None,
            several: false,
        }
    }

    /// Puts a program of a tenant in the queue; the number is its ticket. None when
    /// as many of this tenant wait as may.
    pub(super) fn ask(&mut self, tenant: &str) -> Option<u64> {
        let ticket = self.number();
        self.several |= self.first.get_or_insert_with(|| tenant.to_owned()) != tenant;
        match self.waiting.get_mut(tenant) {
            Some(queue) if queue.len() >= self.bounds.waiting_max => return None,
            Some(queue) => queue.push_back(ticket),
            None => {
                self.waiting.insert(tenant.to_owned(), [ticket].into());
                self.turns.push_back(tenant.to_owned());
            }
        }
        Some(ticket)
    }

    /// The next ticket and the worker it gets a place in. Call until there is none.
    pub(super) fn assign(&mut self) -> Option<(u64, u64)> {
        if self.without_worker() == 0 {
            for slot in &mut self.slots {
                slot.draining = false;
            }
        }
        for _ in 0..self.turns.len() {
            let tenant = self.turns.pop_front()?;
            let found = self.find(&tenant);
            let queue = self.waiting.get_mut(&tenant)?;
            let ticket = found.and_then(|_| queue.pop_front());
            if queue.is_empty() {
                self.waiting.remove(&tenant);
            } else {
                self.turns.push_back(tenant.clone());
            }
            if let (Some(index), Some(ticket)) = (found, ticket) {
                self.seat(index, tenant);
                return Some((ticket, self.slots[index].number));
            }
        }
        self.give_up_workers();
        None
    }

    /// Where a program of this tenant may go now.
    fn find(&self, tenant: &str) -> Option<usize> {
        let held = |s: &Slot| s.sessions > 0 && s.tenant.as_deref() == Some(tenant);
        let own = (0..self.slots.len())
            .filter(|&i| held(&self.slots[i]) && self.is_open(&self.slots[i]))
            .filter(|&i| self.slots[i].sessions < self.bounds.seats)
            .min_by_key(|&i| self.slots[i].sessions);
        let idle = self.idle();
        let roomy = |i: &usize| self.slots[*i].sessions < CROWDED && idle.len() <= 1;
        if let Some(index) = own.filter(roomy) {
            return Some(index);
        }
        // Of several tenants, the last that is free or could be started is for one that has none.
        let free = idle.len() + self.bounds.workers_max.saturating_sub(self.slots.len());
        match idle.first() {
            Some(&index) if free > usize::from(self.several) || self.held_by(tenant) == 0 => {
                Some(index)
            }
            _ => own,
        }
    }

    fn is_open(&self, slot: &Slot) -> bool {
        !slot.retired && !slot.draining && slot.served < self.bounds.served_max
    }

    fn idle(&self) -> Vec<usize> {
        let idle = |i: &usize| self.slots[*i].sessions == 0 && self.is_open(&self.slots[*i]);
        (0..self.slots.len()).filter(idle).collect()
    }

    fn seat(&mut self, index: usize, tenant: String) {
        let since = self.number();
        let slot = &mut self.slots[index];
        if slot.sessions == 0 {
            slot.tenant = Some(tenant);
            slot.since = since;
        }
        slot.sessions += 1;
        slot.peak = slot.peak.max(slot.sessions);
        slot.served += 1;
    }

    fn held_by(&self, tenant: &str) -> usize {
        let of = |s: &&Slot| s.sessions > 0 && s.tenant.as_deref() == Some(tenant);
        self.slots.iter().filter(of).count()
    }

    /// Tenants that wait and hold no worker.
    fn without_worker(&self) -> usize {
        let without = |tenant: &&String| self.held_by(tenant) == 0;
        self.turns.iter().filter(without).count()
    }

    /// One worker for each tenant that waits and has none, where none is free: of the
    /// tenant that holds most, the emptiest; of tenants that hold one each, the longest held.
    fn give_up_workers(&mut self) {
        let coming = self.starting + self.slots.iter().filter(|s| s.draining).count();
        let full = self.slots.len() + self.starting >= self.bounds.workers_max;
        if !full || !self.idle().is_empty() {
            return;
        }
        for _ in coming..self.without_worker() {
            let given_up = self
                .slots
                .iter()
                .filter(|s| s.sessions > 0 && !s.draining && !s.retired)
                .max_by_key(|s| {
                    let many = self.held_by(s.tenant.as_deref().unwrap_or_default());
                    let emptiest = if many > 1 { u32::MAX - s.sessions } else { 0 };
                    (many, emptiest, u64::MAX - s.since)
                })
                .map(|s| s.number);
            let Some(number) = given_up else { return };
            if let Some(slot) = self.slots.iter_mut().find(|s| s.number == number) {
                slot.draining = true;
            }
        }
    }

    /// How many workers are to be started now; they count as starting from here on.
    pub(super) fn start_more(&mut self) -> usize {
        let alive = self.slots.len() + self.starting;
        let busy = self.slots.iter().any(|s| s.sessions > 0);
        let spare = usize::from(busy && self.starting == 0 && self.idle().is_empty());
        let more = self
            .bounds
            .workers_min
            .saturating_sub(alive)
            .max(self.turns.len().saturating_sub(self.starting))
            .max(spare)
            .min(self.bounds.workers_max.saturating_sub(alive));
        self.starting += more;
        more
    }

    /// A worker that was starting is there; answers its number.
    pub(super) fn opened(&mut self) -> u64 {
        self.starting = self.starting.saturating_sub(1);
        let number = self.number();
        self.slots.push(Slot {
            number,
            tenant: None,
            sessions: 0,
            peak: 0,
            served: 0,
            draining: false,
            retired: false,
            since: 0,
        });
        number
    }

    /// A worker that was starting will not come.
    pub(super) fn not_opened(&mut self) {
        self.starting = self.starting.saturating_sub(1);
    }

    /// Takes everybody out of the queue where nothing is there or coming, but the one that fails now.
    pub(super) fn nobody_comes(&mut self) -> Vec<u64> {
        if !self.slots.is_empty() || self.starting > 1 {
            return Vec::new();
        }
        self.turns.clear();
        self.waiting.drain().flat_map(|(_, queue)| queue).collect()
    }

    /// A program has left.
    pub(super) fn left(&mut self, number: u64) -> Left {
        let beyond = self.slots.len() > self.bounds.workers_min;
        let served_max = self.bounds.served_max;
        let Some(slot) = self.slots.iter_mut().find(|s| s.number == number) else {
            return Left::Stays;
        };
        slot.sessions = slot.sessions.saturating_sub(1);
        if slot.sessions > 0 {
            return Left::Stays;
        }
        slot.tenant = None;
        slot.draining = false;
        if slot.retired || slot.served >= served_max {
            slot.retired = true;
            Left::Ends
        } else if beyond || slot.peak > SWOLLEN {
            Left::Idle {
                served: slot.served,
            }
        } else {
            Left::Stays
        }
    }

    /// Whether a worker that was idle after `served` programs still is, and is not needed.
    /// It takes no more if so.
    pub(super) fn let_go(&mut self, number: u64, served: u64) -> bool {
        let beyond = self.slots.iter().filter(|s| !s.retired).count() > self.bounds.workers_min;
        let unneeded = |s: &&mut Slot| {
            s.number == number
                && s.sessions == 0
                && s.served == served
                && (beyond || s.peak > SWOLLEN)
        };
        match self.slots.iter_mut().find(unneeded) {
            Some(slot) => {
                slot.retired = true;
                true
            }
            None => false,
        }
    }

    /// Takes no more programs. True when it is empty already and to be ended.
    pub(super) fn retire(&mut self, number: u64) -> bool {
        let slot = self.slots.iter_mut().find(|s| s.number == number);
        slot.is_some_and(|slot| {
            slot.retired = true;
            slot.sessions == 0
        })
    }

    /// A worker is gone; whose programs were in it, and how many.
    pub(super) fn gone(&mut self, number: u64) -> (Option<String>, u32) {
        match self.slots.iter().position(|s| s.number == number) {
            Some(index) => {
                let slot = self.slots.swap_remove(index);
                (slot.tenant, slot.sessions)
            }
            None => (None, 0),
        }
    }

    /// Workers alive, and programs in them.
    pub(super) fn count(&self) -> (usize, usize) {
        let sessions = self.slots.iter().map(|s| s.sessions as usize).sum();
        (self.slots.len(), sessions)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

#[cfg(test)]
mod tests;
