//! Faults in what becomes of a host's remote addresses: which are tried, judged, left out and back.

use crate::mutants::Mutant;

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the address that is left is not tried beside a silent one that left",
        file: "pool-core/src/manager/state/silent.rs",
        old: "let others = self.endpoints.len() > 1 && active > 0;",
        new: "let others = active > 1;",
        noticed_by: &["the_only_address_left_is_tried_beside_a_silent_one_that_left"],
    },
    Mutant {
        name: "of two verdicts on the same addresses both are carried out",
        file: "pool-core/src/manager/events.rs",
        old: "} else if (known.total, known.ejected) != (knew.total, knew.ejected) {",
        new: "} else if known.total != knew.total {",
        noticed_by: &["of_two_that_know_of_the_same_addresses_one_has_to_look_again"],
    },
    Mutant {
        name: "an address that is out is judged for what was under way",
        file: "pool-core/src/manager/state/checks.rs",
        old: "found.is_active().then_some(endpoint)",
        new: "Some(endpoint)",
        noticed_by: &["what_is_out_is_neither_judged_nor_ejected_again"],
    },
    Mutant {
        name: "an address whose ban has ended serves before a check of it",
        file: "pool-core/src/manager/state/addresses.rs",
        old: "if standing == Standing::Gone && on_trial.contains(&addr) {",
        new: "if standing != Standing::Gone && on_trial.contains(&addr) {",
        noticed_by: &["a_new_address_on_trial_serves_nobody_until_it_is_judged_good"],
    },
    Mutant {
        name: "nobody comes back to see whether an address is silent",
        file: "pool-core/src/manager/state/silent.rs",
        old: "        if let Some(at) = self.next_silence(now) {",
        new: "        if let Some(at) = self.next_silence(now).filter(|at| *at <= now) {",
        noticed_by: &[
            "a_silent_address_costs_the_attempt_delay_and_the_first_that_is_ready_serves",
        ],
    },
    Mutant {
        name: "an address that has accepted counts as silent",
        file: "pool-core/src/manager/state/silent.rs",
        old: "            found.stage = Stage::Connected(since);",
        new: "            let _ = since;",
        noticed_by: &["an_address_that_takes_the_connection_in_time_is_left_alone_with_it"],
    },
];
