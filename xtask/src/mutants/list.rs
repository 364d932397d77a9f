//! The faults: each is one line that somebody could get wrong.

mod addresses;

use super::Mutant;

/// Every mutant, in the order of the table.
pub(super) fn mutants() -> impl Iterator<Item = &'static Mutant> {
    CORE.iter().chain(addresses::MUTANTS)
}

const CORE: &[Mutant] = &[
    Mutant {
        name: "a cancelled waiter keeps what it was granted",
        file: "pool-core/src/manager/host.rs",
        old: "drop(mailbox.close().map(|outcome| outcome.map(Lease::new)));",
        new: "std::mem::forget(mailbox.close().map(|outcome| outcome.map(Lease::new)));",
        noticed_by: &["a_grant_to_a_cancelled_waiter_goes_to_the_next"],
    },
    Mutant {
        name: "whoever gives up stays in the queue",
        file: "pool-core/src/manager/host.rs",
        old: "        Self::step(host, |core| core.give_up(waiter));",
        new: "        let _ = waiter;",
        noticed_by: &["cancelling_a_waiter_frees_its_place"],
    },
    Mutant {
        name: "whoever is served is not woken",
        file: "pool-core/src/manager/host.rs",
        old: "Ok(waker) => waker.into_iter().for_each(Waker::wake),",
        new: "Ok(waker) => waker.into_iter().for_each(drop),",
        noticed_by: &["one_release_wakes_one_of_eight_waiters_and_makes_one_owner"],
    },
    Mutant {
        name: "a task that moved is woken where it was",
        file: "pool-core/src/manager/mailbox.rs",
        old: "if known.as_ref().is_some_and(|known| known.will_wake(waker)) {",
        new: "if known.is_some() {",
        noticed_by: &["a_waiter_is_woken_by_the_waker_of_its_last_poll"],
    },
    Mutant {
        name: "what was granted to one who gave up just then is lost",
        file: "pool-core/src/manager/host.rs",
        old: "Err(outcome) => drop(outcome.map(Lease::new)),",
        new: "Err(outcome) => std::mem::forget(outcome.map(Lease::new)),",
        noticed_by: &["loom_a_grant_to_a_waiter_that_cancels_reaches_the_next"],
    },
    Mutant {
        name: "a mailbox is used again before its outcome is collected",
        file: "pool-core/src/manager/mailbox.rs",
        old: "            return false;",
        new: "            return true;",
        noticed_by: &["an_outcome_waits_for_whoever_it_is_for"],
    },
    Mutant {
        name: "a late cancel takes out the next waiter of the slot",
        file: "pool-core/src/manager/waiters.rs",
        old: "if entry.serial != waiter.serial {",
        new: "if false {",
        noticed_by: &["a_late_cancel_does_not_touch_the_next_waiter_of_the_slot"],
    },
    Mutant {
        name: "the last to come is the first to be served",
        file: "pool-core/src/manager/waiters.rs",
        old: "                class.queue.push_back(&mut self.slots, slot);",
        new: "                class.queue.push_front(&mut self.slots, slot);",
        noticed_by: &["waiters_are_served_in_the_order_they_came"],
    },
    Mutant {
        name: "class weights are ignored",
        file: "pool-core/src/manager/waiters.rs",
        old: "class.pass += STRIDE / u64::from(priority.weight());",
        new: "class.pass += STRIDE;",
        noticed_by: &["classes_share_by_weight_and_keep_their_order"],
    },
    Mutant {
        name: "an empty class saves up",
        file: "pool-core/src/manager/waiters.rs",
        old: "class.pass = class.pass.max(self.pass);",
        new: "",
        noticed_by: &["a_class_that_was_empty_has_not_saved_up"],
    },
    Mutant {
        name: "whoever had a dead connection goes to the back",
        file: "pool-core/src/manager/waiters.rs",
        old: "Place::Front => self.front.push_back(&mut self.slots, slot),",
        new: "Place::Front => self.front.push_front(&mut self.slots, slot),",
        noticed_by: &["whoever_had_a_dead_connection_comes_before_every_class"],
    },
    Mutant {
        name: "the classes come before whoever had a dead connection",
        file: "pool-core/src/manager/waiters.rs",
        old: "        let head = self.front.front().or_else(|| {
            let (_, class) = self.class_in_turn()?;
            class.queue.front()
        });",
        new: "        let class = self.class_in_turn();
        let head = class.and_then(|(_, class)| class.queue.front());
        let head = head.or_else(|| self.front.front());",
        noticed_by: &["whoever_had_a_dead_connection_comes_before_every_class"],
    },
    Mutant {
        name: "a waiter past its deadline is served",
        file: "pool-core/src/manager/state/books.rs",
        old: "if self.waiters.is_late(waiter, now) {",
        new: "if false {",
        noticed_by: &["a_waiter_past_its_deadline_is_refused_and_the_next_one_served"],
    },
    Mutant {
        name: "the queue of a host has no limit",
        file: "pool-core/src/manager/state/mod.rs",
        old: "self.waiters.queued() >= self.limits.waiters {",
        new: "self.waiters.queued() == usize::MAX {",
        noticed_by: &["a_full_queue_turns_away"],
    },
    Mutant {
        name: "the queue in all has no limit",
        file: "pool-core/src/manager/budget.rs",
        old: "let enters = before < limit || place == Place::Front;",
        new: "let enters = before < usize::MAX;",
        noticed_by: &["cancelling_a_waiter_frees_its_place"],
    },
    Mutant {
        name: "what comes back is parked while somebody waits",
        file: "pool-core/src/manager/state/books.rs",
        old: "while self.conns[slot].has_room() {",
        new: "while false {",
        noticed_by: &["nobody_claims_past_the_queue"],
    },
    Mutant {
        name: "whoever waits for one connection is not told that it drains",
        file: "pool-core/src/manager/state/books.rs",
        old: "        self.dismiss(slot, out);
        self.set_state",
        new: "        self.set_state",
        noticed_by: &["whoever_waits_for_it_is_told_when_it_drains"],
    },
    Mutant {
        name: "whoever waits for one connection is not told that it is gone",
        file: "pool-core/src/manager/state/mod.rs",
        old: "        self.dismiss(slot, out);
        self.count_state",
        new: "        self.count_state",
        noticed_by: &["whoever_waits_for_it_is_told_when_it_closes"],
    },
    Mutant {
        name: "an old name finds the next connection of the slot",
        file: "pool-core/src/manager/state/books.rs",
        old: "(found.id == conn.id).then_some(conn.slot)",
        new: "Some(conn.slot)",
        noticed_by: &["events_of_an_earlier_life_change_nothing"],
    },
    Mutant {
        name: "a late end of a dial ends the next dial of the slot",
        file: "pool-core/src/manager/state/dials.rs",
        old: "if found.serial != dial.serial {",
        new: "if false {",
        noticed_by: &["a_late_end_of_a_dial_changes_nothing"],
    },
    Mutant {
        name: "HTTP/1.1 is handed out while it is leased",
        file: "pool-core/src/manager/state/conn.rs",
        old: "self.state == ConnState::Ready && self.in_flight < self.limit",
        new: "self.state == ConnState::Ready",
        noticed_by: &["a_release_is_granted_to_exactly_one_of_eight_waiters"],
    },
    Mutant {
        name: "one stream more than the limit",
        file: "pool-core/src/manager/state/conn.rs",
        old: "self.state == ConnState::Ready && self.in_flight < self.limit",
        new: "self.state == ConnState::Ready && self.in_flight <= self.limit",
        noticed_by: &["the_peer_cannot_raise_streams_above_our_own_bound"],
    },
    Mutant {
        name: "our own bound on streams is ignored",
        file: "pool-core/src/manager/state/books.rs",
        old: "Some(limit) if multiplexed => limit.min(self.limits.streams),",
        new: "Some(limit) if multiplexed => limit,",
        noticed_by: &["the_peer_cannot_raise_streams_above_our_own_bound"],
    },
    Mutant {
        name: "a draining connection is handed out",
        file: "pool-core/src/manager/state/books.rs",
        old: "        self.unlink_free(slot);
        self.unlink_idle(slot);
        self.dismiss",
        new: "        self.unlink_idle(slot);
        self.dismiss",
        noticed_by: &["a_drained_connection_finishes_what_is_in_flight"],
    },
    Mutant {
        name: "a connection under a check is handed out",
        file: "pool-core/src/manager/state/checks.rs",
        old: "        self.unlink_free(slot);
        self.counters.acquired += 1;",
        new: "        self.counters.acquired += 1;",
        noticed_by: &["a_connection_under_a_check_is_not_handed_out"],
    },
    Mutant {
        name: "an ejected address is handed out",
        file: "pool-core/src/manager/state/addresses.rs",
        old: "                for slot in ready {
                    self.unlink_free(slot);
                }
",
        new: "",
        noticed_by: &["an_ejected_endpoint_is_not_claimed_and_comes_back_at_its_time"],
    },
    Mutant {
        name: "a shared connection becomes a check",
        file: "pool-core/src/manager/state/checks.rs",
        old: "claimed.state != ConnState::Ready || claimed.in_flight != 1",
        new: "claimed.state != ConnState::Ready",
        noticed_by: &["only_the_sole_lease_becomes_a_check"],
    },
    Mutant {
        name: "a connection closes under a lease",
        file: "pool-core/src/manager/state/books.rs",
        old: "
            && conn.in_flight == 0
",
        new: "
",
        noticed_by: &["a_drained_connection_finishes_what_is_in_flight"],
    },
    Mutant {
        name: "an eviction closes what was leased since",
        file: "pool-core/src/manager/state/conn.rs",
        old: "self.state == ConnState::Ready && self.in_flight == 0",
        new: "self.state == ConnState::Ready",
        noticed_by: &["an_eviction_spares_what_has_been_leased_since"],
    },
    Mutant {
        name: "an HTTP/2 stream is not given back",
        file: "pool-core/src/manager/state/mod.rs",
        old: "        conn.in_flight -= 1;",
        new: "        conn.in_flight -= usize::from(!conn.multiplexed);",
        noticed_by: &["h2_hands_out_the_fewest_streams_then_the_longest_waiting"],
    },
    Mutant {
        name: "an HTTP/2 stream is given back twice",
        file: "pool-core/src/manager/state/mod.rs",
        old: "        conn.in_flight -= 1;",
        new: "        conn.in_flight -= 1 + usize::from(conn.in_flight > 1);",
        noticed_by: &["a_discarded_h2_connection_takes_no_new_stream_and_closes_with_the_last"],
    },
    Mutant {
        name: "HTTP/2 fills one connection before the next",
        file: "pool-core/src/manager/state/endpoint.rs",
        old: "            list.front()
        } else {
            Some(last)",
        new: "            Some(last)
        } else {
            Some(last)",
        noticed_by: &["h2_hands_out_the_fewest_streams_then_the_longest_waiting"],
    },
    Mutant {
        name: "claims do not rotate over the addresses",
        file: "pool-core/src/manager/state/books.rs",
        old: "if list.len() > 1 {",
        new: "if false {",
        noticed_by: &["claims_rotate_over_the_addresses_however_many_connections_each_has"],
    },
    Mutant {
        name: "a doubt never ends",
        file: "pool-core/src/manager/state/books.rs",
        old: "if self.trust_again_at.is_some_and(|at| at <= now) {",
        new: "if false {",
        noticed_by: &["time_ends_the_doubt"],
    },
    Mutant {
        name: "one connection more than `per_host`",
        file: "pool-core/src/manager/state/dials.rs",
        old: "if self.conns.len() + self.dials.len() < self.limits.conns {
            return true;",
        new: "if self.conns.len() + self.dials.len() <= self.limits.conns {
            return true;",
        noticed_by: &["every_state_of_an_h1_host_is_in_order"],
    },
    Mutant {
        name: "one added connection more than `per_host`",
        file: "pool-core/src/manager/state/mod.rs",
        old: "if self.conns.len() + self.dials.len() >= self.limits.conns {",
        new: "if self.conns.len() + self.dials.len() > self.limits.conns {",
        noticed_by: &["a_rejected_connection_is_given_back"],
    },
    Mutant {
        name: "one connection more than `per_endpoint`",
        file: "pool-core/src/manager/state/dials.rs",
        old: "endpoint.may_dial(now) && endpoint.load() < limit && may(slot)",
        new: "endpoint.may_dial(now) && endpoint.load() <= limit && may(slot)",
        noticed_by: &["connections_and_dials_to_one_address_are_bounded"],
    },
    Mutant {
        name: "busy connections of a site stay above its lowered limit",
        file: "pool-core/src/manager/reclaim.rs",
        old: "in_turn(&hosts, left, |host| {",
        new: "in_turn(&hosts, left.min(0), |host| {",
        noticed_by: &[
            "busy_connections_of_all_sources_above_a_lower_limit_close_when_they_come_back",
        ],
    },
    Mutant {
        name: "a load opens one connection more than `per_host`",
        file: "pool-core/src/manager/state/load.rs",
        old: "&& self.conns.len() + self.dials.len() < self.limits.conns",
        new: "&& self.conns.len() + self.dials.len() <= self.limits.conns",
        noticed_by: &["no_limit_is_exceeded_for_it"],
    },
    Mutant {
        name: "the time without a load is forgotten",
        file: "pool-core/src/manager/state/load.rs",
        old: "before.saturating_sub(now.saturating_duration_since(since))",
        new: "before",
        noticed_by: &["a_burst_that_ends_opens_nothing_however_often_it_comes"],
    },
    Mutant {
        name: "the time of a load counts on after it was asked about",
        file: "pool-core/src/manager/state/load.rs",
        old: "            self.load = Load::None;",
        new: "            ",
        noticed_by: &["a_dial_that_fails_refuses_nobody_and_is_tried_again_after_a_while"],
    },
    Mutant {
        name: "a third connection under a load that one of two does not carry",
        file: "pool-core/src/manager/state/load.rs",
        old: "        if !self.is_heavy() {",
        new: "        if false {",
        noticed_by: &["any_sequence_of_events_keeps_the_books"],
    },
    Mutant {
        name: "a dial for a load that may not be keeps its permits",
        file: "pool-core/src/manager/unasked.rs",
        old: "        if let Some((dial, addr)) = dial {",
        new: "        if dial.is_none() {
            return std::mem::forget(permits);
        }
        if let Some((dial, addr)) = dial {",
        noticed_by: &[
            "loom_one_connection_more_that_may_not_be_gives_its_permits_to_whoever_starves",
        ],
    },
    Mutant {
        name: "the end of a load goes unnoticed",
        file: "pool-core/src/manager/state/load.rs",
        old: "if in_flight + 1 == self.limits.heavy {",
        new: "if false {",
        noticed_by: &["a_burst_that_ends_opens_nothing_however_often_it_comes"],
    },
    Mutant {
        name: "one connection more than `total`",
        file: "pool-core/src/manager/budget.rs",
        old: "self.conns < self.limits.conns && self.dials < self.limits.dials",
        new: "self.conns <= self.limits.conns && self.dials < self.limits.dials",
        noticed_by: &["a_connection_that_comes_back_is_closed_for_a_host_that_starves"],
    },
    Mutant {
        name: "one dial more than `dials_total`",
        file: "pool-core/src/manager/budget.rs",
        old: "self.conns < self.limits.conns && self.dials < self.limits.dials",
        new: "self.conns < self.limits.conns && self.dials <= self.limits.dials",
        noticed_by: &["permits_that_a_host_in_the_ring_needs_no_more_are_put_back"],
    },
    Mutant {
        name: "one dial more than `dials_per_host`",
        file: "pool-core/src/manager/state/dials.rs",
        old: "            if self.dials.len() >= self.limits.dials {
                return;",
        new: "            if self.dials.len() > self.limits.dials {
                return;",
        noticed_by: &["dials_at_a_time_are_bounded"],
    },
    Mutant {
        name: "`idle_per_host` is ignored",
        file: "pool-core/src/manager/state/books.rs",
        old: "if self.idle.len() > self.limits.idle
",
        new: "if false
",
        noticed_by: &["a_surplus_of_idle_connections_closes_the_longest_idle"],
    },
    Mutant {
        name: "`idle_total` is ignored",
        file: "pool-core/src/manager/budget.rs",
        old: "self.idle.load(Ordering::Relaxed) > self.max_idle.load(Ordering::Relaxed)",
        new: "false",
        noticed_by: &["whoever_parks_one_idle_connection_too_many_over_all_hosts_closes_one"],
    },
    Mutant {
        name: "raised limits of a host serve nobody",
        file: "pool-core/src/manager/state/mod.rs",
        old: "            self.refit(slot, now, out);
        }
        self.plan(now, out);",
        new: "            self.refit(slot, now, out);
        }",
        noticed_by: &["raising_the_limits_serves_those_who_wait"],
    },
    Mutant {
        name: "those who starve do not look again when the limits change",
        file: "pool-core/src/manager/mod.rs",
        old: "            if host.enrolled.load(Ordering::SeqCst) {",
        new: "            if false {",
        noticed_by: &["a_shorter_time_to_reclaim_is_in_force_at_once"],
    },
    Mutant {
        name: "a connection's permit is lost",
        file: "pool-core/src/manager/budget.rs",
        old: "            Budget::conn_freed(&shared, &site);",
        new: "            drop((shared, site));",
        noticed_by: &["a_permit_returns_when_the_socket_lets_go_of_it"],
    },
    Mutant {
        name: "a dial's permit is lost",
        file: "pool-core/src/manager/budget.rs",
        old: "            Budget::dial_freed(&shared);",
        new: "            drop(shared);",
        noticed_by: &["a_dial_that_ends_after_the_close_leaves_nothing"],
    },
    Mutant {
        name: "permits put back are half lost",
        file: "pool-core/src/manager/budget.rs",
        old: "            books.dials -= 1;
            books.give_back(&site);",
        new: "            books.dials -= 1;",
        noticed_by: &["permits_that_a_host_in_the_ring_needs_no_more_are_put_back"],
    },
    Mutant {
        name: "a starving host does not enrol",
        file: "pool-core/src/manager/budget.rs",
        old: "            Self::enrol(shared, &mut books, host);
            books.conns",
        new: "            books.conns",
        noticed_by: &["a_connection_that_comes_back_is_closed_for_a_host_that_starves"],
    },
    Mutant {
        name: "each source of a site has the whole limit for itself",
        file: "pool-core/src/manager/budget.rs",
        old: "site.conns.load(Ordering::SeqCst) < self.limits.site",
        new: "site.conns.load(Ordering::SeqCst) < usize::MAX",
        noticed_by: &["many_sources_get_no_more_connections_than_one"],
    },
    Mutant {
        name: "a source gives up nothing for another of its site",
        file: "pool-core/src/manager/budget.rs",
        old: "            || self.is_full(&host.site) && host.site.enrolled.load(Ordering::SeqCst) > itself",
        new: "",
        noticed_by: &["many_sources_get_no_more_connections_than_one"],
    },
    Mutant {
        name: "a site at its limit keeps others from what nobody waits for",
        file: "pool-core/src/manager/budget.rs",
        old: "self.ring.iter().any(|host| self.site_has_room(&host.site))",
        new: "!self.ring.is_empty()",
        noticed_by: &["a_site_at_its_limit_is_in_nobody_elses_way"],
    },
    Mutant {
        name: "a host that wants more leaves the ring",
        file: "pool-core/src/manager/budget.rs",
        old: "                    if wants_more {",
        new: "                    if wants_more && false {",
        noticed_by: &["everybody_who_waits_at_a_host_in_the_ring_is_served"],
    },
    Mutant {
        name: "the ring is not served when a connection's permit returns",
        file: "pool-core/src/manager/budget.rs",
        old: "            books.give_back(site);
            shared.budget.publish(&books);
        }
        Self::serve_ring(shared);",
        new: "            books.give_back(site);
            shared.budget.publish(&books);
        }",
        noticed_by: &["a_connection_that_comes_back_is_closed_for_a_host_that_starves"],
    },
    Mutant {
        name: "the ring is not served when a dial's permit returns",
        file: "pool-core/src/manager/budget.rs",
        old: "        lock(&shared.budget.books).dials -= 1;
        Self::serve_ring(shared);",
        new: "        lock(&shared.budget.books).dials -= 1;",
        noticed_by: &["a_host_that_waited_for_a_dial_then_for_a_connection_reclaims_one"],
    },
    Mutant {
        name: "the ring is not served when permits are put back",
        file: "pool-core/src/manager/budget.rs",
        old: "                    Self::serve_ring(shared);
                }
                return;",
        new: "                }
                return;",
        noticed_by: &["loom_permits_put_back_beside_an_enrolment_are_not_missed"],
    },
    Mutant {
        name: "a release looks for the starving before it has the lock",
        file: "pool-core/src/manager/host.rs",
        old: "        let end = |core: &mut Core<C>| {
            // Read under the lock: a host that starves enrols, then looks here under this lock too. Whichever of the two
            // comes second sees the other.
            let starving = host.shared.budget.is_starved(host);
",
        new: "        let starving = host.shared.budget.is_starved(host);
        let end = |core: &mut Core<C>| {
",
        noticed_by: &["loom_a_connection_parked_beside_a_host_that_begins_to_starve_is_given_up"],
    },
    Mutant {
        name: "a connection that closes keeps its permit while its host asks for one",
        file: "pool-core/src/manager/host.rs",
        old: "        drop(entry);
        Self::finish(&host, left);",
        new: "        Self::finish(&host, left);",
        noticed_by: &["a_replacement_uses_the_permit_of_what_it_replaces"],
    },
    Mutant {
        name: "whoever leaves the ring does not look again",
        file: "pool-core/src/manager/host.rs",
        old: "            // Somebody who joined meanwhile may have found the host in the ring.
            if asks() {",
        new: "            if false {",
        noticed_by: &["loom_a_waiter_that_leaves_the_ring_beside_one_that_joins_strands_nobody"],
    },
    Mutant {
        name: "a host keeps its connection beyond its turn",
        file: "pool-core/src/manager/state/mod.rs",
        old: "if self.turns >= self.limits.fair_turn {",
        new: "if false {",
        noticed_by: &["after_its_turn_a_host_gives_up_the_connection_it_would_hand_on"],
    },
    Mutant {
        name: "reclaiming takes what was used just now",
        file: "pool-core/src/manager/state/mod.rs",
        old: "if now.saturating_duration_since(self.conns[slot].last_used) < min_idle {",
        new: "if false {",
        noticed_by: &["reclaiming_takes_the_longest_idle_if_it_is_old_enough"],
    },
    Mutant {
        name: "a dial is counted twice at its address",
        file: "pool-core/src/manager/state/dials.rs",
        old: "self.endpoints[endpoint].dials += 1;",
        new: "self.endpoints[endpoint].dials += 2;",
        noticed_by: &["any_sequence_of_events_keeps_the_books"],
    },
    Mutant {
        name: "a dial that ended still counts at its address",
        file: "pool-core/src/manager/state/dials.rs",
        old: "        } = self.dials.remove(dial.slot);
        self.endpoints[endpoint].dials -= 1;",
        new: "        } = self.dials.remove(dial.slot);",
        noticed_by: &["a_gone_address_is_forgotten_with_the_last_dial_however_that_ends"],
    },
    Mutant {
        name: "each waiter dials, whatever a dial is expected to bring",
        file: "pool-core/src/manager/state/dials.rs",
        old: "if self.waiters.len() <= self.expected_from(heard) {",
        new: "if self.waiters.len() <= heard {",
        noticed_by: &["until_an_h2_peer_has_said_its_limit_one_lease_goes_out_and_nobody_dials"],
    },
    Mutant {
        name: "the back-off is ignored",
        file: "pool-core/src/manager/state/endpoint.rs",
        old: "self.is_active() && self.backoff_until.is_none_or(|at| at <= now)",
        new: "self.is_active()",
        noticed_by: &["backing_off_asks_for_one_timer_and_a_tick_then_dials"],
    },
    Mutant {
        name: "the back-off does not grow",
        file: "pool-core/src/manager/state/endpoint.rs",
        old: "base.saturating_mul(1 << doublings.min(20)).min(max)",
        new: "base.min(max)",
        noticed_by: &["waits_double_up_to_their_bound"],
    },
    Mutant {
        name: "a dial waits for permits after its waiters have left",
        file: "pool-core/src/manager/state/mod.rs",
        old: "            if self.waiters.is_empty() {
                self.abandon_asked();
            }
",
        new: "",
        noticed_by: &["no_dial_waits_for_permits_when_nobody_waits_for_it"],
    },
    Mutant {
        name: "a failed dial is charged to nobody",
        file: "pool-core/src/manager/state/dials.rs",
        old: "back_off(now, base, max, cut);
                self.waiters.charge(covered);",
        new: "back_off(now, base, max, cut);",
        noticed_by: &["a_failed_dial_tries_the_next_address_and_refuses_after_the_last"],
    },
    Mutant {
        name: "a runtime that is gone leaves its waiters waiting",
        file: "pool-core/src/manager/state/dials.rs",
        old: "DialFailure::RuntimeGone => self.refuse_all(Refusal::Dial, out),",
        new: "DialFailure::RuntimeGone => {}",
        noticed_by: &["a_lost_runtime_refuses_everybody_and_plans_nothing"],
    },
    Mutant {
        name: "a lookup's answer serves nobody",
        file: "pool-core/src/manager/state/addresses.rs",
        old: "                self.set_standing(endpoint, Standing::Active, now, out);
            }
        }
        self.plan(now, out);",
        new: "                self.set_standing(endpoint, Standing::Active, now, out);
            }
        }",
        noticed_by: &["every_state_of_an_h1_host_with_a_second_address_is_in_order"],
    },
    Mutant {
        name: "closing leaves those who wait waiting",
        file: "pool-core/src/manager/state/mod.rs",
        old: "        self.refuse_all(Refusal::Closed, out);
",
        new: "",
        noticed_by: &["closing_refuses_waiters_closes_idle_and_drains_busy_connections"],
    },
    Mutant {
        name: "a host made beside a close stays open",
        file: "pool-core/src/manager/mod.rs",
        old: "        if shared.closed.load(Ordering::SeqCst) {",
        new: "        if false {",
        noticed_by: &["closing_refuses_waiters_and_newcomers_and_lets_leases_finish"],
    },
    Mutant {
        name: "a host is forgotten with its connections",
        file: "pool-core/src/manager/state/mod.rs",
        old: "let empty = self.is_quiet()
            && self.counters",
        new: "let empty = self.counters",
        noticed_by: &["only_an_empty_host_is_forgotten_and_nothing_enters_it_again"],
    },
    Mutant {
        name: "a host is forgotten under a lease",
        file: "pool-core/src/manager/state/mod.rs",
        old: "
            && self.counters.acquired == self.counters.released",
        new: "",
        noticed_by: &["a_lease_on_a_connection_that_is_gone_still_counts_back"],
    },
    Mutant {
        name: "a POST is sent again after it was sent without a reply",
        file: "pool-core/src/http/retry.rs",
        old: "                && method.is_idempotent()
",
        new: "",
        noticed_by: &["what_may_have_been_processed_is_never_sent_twice_unless_idempotent"],
    },
    Mutant {
        name: "keys are equal whatever their partitions",
        file: "pool-core/src/key.rs",
        old: "#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<Parts>);",
        new: "#[derive(Clone, Eq, Hash)]
pub struct Key(Arc<Parts>);
impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        let other = other.clone().partition(self.0.partition.clone());
        self.0 == other.0
    }
}",
        noticed_by: &["keys_that_differ_in_one_field_are_different"],
    },
];
