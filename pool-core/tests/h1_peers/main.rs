//! Peers that break the rules of HTTP/1.1, or use them against us, and what either engine makes of them: what the caller
//! gets, what becomes of the connection, and what memory does. One theme per file; most is true of both engines, and where
//! they differ the test says how.
//!
//! | what the peer does | what is promised |
//! |---|---|
//! | ends TLS without close_notify, or plain TCP, under a body | [`endings`]: `a_body_that_is_cut_short_is_an_error` |
//! | ends an idle connection, or a reused one under the next request, with FIN or RST | [`endings`]: `an_idle_connection_that_ends_is_noticed_when_it_does`, `a_reused_connection_that_ends_under_a_request_costs_an_idempotent_one_a_retry`, `a_reused_connection_that_ends_under_a_post_leaves_it_maybe_processed` |
//! | reads the first request of a connection and leaves | [`endings`]: `a_fresh_connection_that_ends_under_a_request_is_not_tried_again` |
//! | sends byte by byte, stops, or does not read | [`slow`]: `a_head_byte_by_byte_runs_into_its_time`, `a_body_byte_by_byte_is_read_as_long_as_each_byte_is_in_time`, `a_body_that_stops_runs_into_its_time`, `a_peer_that_does_not_read_runs_into_the_time_for_the_head` |
//! | sends a body shorter or longer than its length | [`endings`]: `a_body_that_is_cut_short_is_an_error`, `a_body_that_is_longer_than_it_says_ends_where_it_says` |
//! | frames a response in two ways, or in none | [`framing`]: `what_could_be_read_in_two_ways_is_refused_and_its_connection_closed` |
//! | sends a body with 204, 304 or to HEAD | [`framing`]: `a_body_where_there_is_none_is_not_the_next_response` |
//! | answers on an idle connection | [`quarantine`]: `an_answer_that_nobody_asked_for_closes_the_hosts_idle_connections`, `meanwhile_each_connection_serves_one_request_and_says_so`, `what_is_in_use_serves_its_one_response_and_closes`, `it_ends_and_comes_back_for_longer` |
//! | answers twice, or while the next request is on its way | [`quarantine`]: `bytes_after_a_response_are_not_the_next_response`, `what_has_arrived_by_the_time_of_the_request_is_not_its_response`, `a_response_that_races_shifts_one_request_and_no_more` |
//! | answers before the request has ended | [`early`]: `an_early_answer_is_delivered_and_the_rest_of_the_request_is_not_sent`, `an_early_answer_to_a_request_that_ends_meanwhile_costs_nothing` |
//! | says 100 never, twice, or 417 instead; switches unasked | [`early`]: `a_body_whose_peer_never_asks_for_it_is_sent_all_the_same`, `a_peer_that_asks_for_the_body_gets_it_at_once_however_often_it_asks`, `a_peer_that_does_not_want_the_body_does_not_get_it`; [`framing`] |
//! | sends 1xx without end | [`early`]: `informational_responses_are_counted_by_the_inline_engine`, `informational_responses_do_not_move_the_deadline` |
//! | sends a head, trailers or a chunk extension without end | [`memory`]: `what_has_no_end_is_refused_before_it_fills_memory` |
//! | sends trailers that are none | [`framing`], [`memory`] |
//! | says 421 | [`misdirected`]: `any_method_is_sent_once_more_on_a_fresh_connection`, `a_second_421_is_the_callers` |
//!
//! And callers:
//!
//! | what the caller does | what is promised |
//! |---|---|
//! | drops its request: while it waits, while it is dialled for, in the TLS handshake | [`callers`]: `dropped_while_it_waits_for_a_permit_it_leaves_no_trace`, `dropped_while_it_is_dialled_for_it_leaves_a_connection_behind`, `dropped_during_a_handshake_that_stalls_it_leaves_nothing_behind` |
//! | drops it with the head sent, under its body, under the head or the body of the response | [`callers`]: `dropped_under_an_exchange_it_closes_the_connection_and_gives_back_its_permit`, `a_body_dropped_unread_but_all_there_keeps_its_connection` |
//! | never reads the body | [`callers`]: `an_unread_body_holds_its_connection_and_nobody_elses`; [`memory`]: `a_body_that_nobody_reads_stays_with_the_peer` |
//! | frames a request in two ways | [`requests`]: `one_request_is_one_request_whatever_the_caller_says_of_its_length` |
#![cfg(feature = "testing")]

mod callers;
mod early;
mod endings;
mod framing;
mod memory;
mod misdirected;
mod peers;
mod quarantine;
mod requests;
mod slow;
