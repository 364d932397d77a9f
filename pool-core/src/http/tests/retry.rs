//! The retry rules, as a table and as sentences.

use http::Method;

use super::*;

const EVIDENCE: [Evidence; 13] = [
    Evidence::NotSent,
    Evidence::Refused,
    Evidence::GoAwayUnprocessed { error: false },
    Evidence::GoAwayUnprocessed { error: true },
    Evidence::SentNoReply,
    Evidence::ReplyStarted,
    Evidence::Http1Required,
    Evidence::CalmAsked { unprocessed: false },
    Evidence::CalmAsked { unprocessed: true },
    Evidence::Misdirected { again: false },
    Evidence::Misdirected { again: true },
    Evidence::Deadline,
    Evidence::RequestFailed,
];

const METHODS: [(Method, bool); 8] = [
    (Method::GET, true),
    (Method::HEAD, true),
    (Method::OPTIONS, true),
    (Method::TRACE, true),
    (Method::PUT, true),
    (Method::DELETE, true),
    (Method::POST, false),
    (Method::PATCH, false),
];

fn is_retry(verdict: RetryVerdict) -> bool {
    matches!(verdict, RetryVerdict::Retry { .. })
}

/// Calls `check` with every combination and its verdict under the default limits.
fn every_case(mut check: impl FnMut(Evidence, &Method, bool, bool, u32, bool, bool, RetryVerdict)) {
    let limits = RetryLimits::default();
    for evidence in EVIDENCE {
        for (method, idempotent) in &METHODS {
            for replayable in [false, true] {
                for attempt in 1..=10 {
                    for (resent, fresh) in
                        [(false, false), (false, true), (true, false), (true, true)]
                    {
                        let verdict = retry_verdict(
                            &evidence, method, replayable, attempt, resent, fresh, &limits,
                        );
                        check(
                            evidence,
                            method,
                            *idempotent,
                            replayable,
                            attempt,
                            resent,
                            fresh,
                            verdict,
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn every_combination_has_the_verdict_of_the_table() {
    let mut cases = 0;
    every_case(
        |evidence, method, idempotent, replayable, attempt, resent, fresh, verdict| {
            cases += 1;
            let (retry, otherwise) = match evidence {
                Evidence::NotSent => (attempt < 9 && !fresh && replayable, RetryVerdict::Fail),
                Evidence::Refused => (attempt < 3 && replayable, RetryVerdict::Fail),
                Evidence::GoAwayUnprocessed { error: false } => {
                    let most = if fresh { 3 } else { 9 };
                    (attempt < most && replayable, RetryVerdict::Fail)
                }
                Evidence::GoAwayUnprocessed { error: true } => {
                    (attempt < 3 && replayable && !fresh, RetryVerdict::Fail)
                }
                Evidence::SentNoReply => (
                    attempt < 3 && !resent && idempotent && replayable && !fresh,
                    RetryVerdict::MaybeProcessed,
                ),
                Evidence::ReplyStarted => (false, RetryVerdict::MaybeProcessed),
                Evidence::Http1Required => (attempt < 3 && replayable, RetryVerdict::Fail),
                Evidence::CalmAsked { unprocessed: false } => (false, RetryVerdict::MaybeProcessed),
                Evidence::CalmAsked { unprocessed: true } => {
                    (attempt < 3 && replayable && !fresh, RetryVerdict::Fail)
                }
                Evidence::Misdirected { again } => {
                    (attempt < 3 && replayable && !again, RetryVerdict::Fail)
                }
                Evidence::Deadline | Evidence::RequestFailed => (false, RetryVerdict::Fail),
            };
            let case = format!("{evidence:?} {method} {replayable} {attempt} {resent} {fresh}");
            assert_eq!(is_retry(verdict), retry, "{case}");
            if !retry {
                assert_eq!(verdict, otherwise, "{case}");
            }
        },
    );
    assert_eq!(cases, 13 * 8 * 2 * 10 * 2 * 2);
}

#[test]
fn what_may_have_been_processed_is_never_sent_twice_unless_idempotent() {
    every_case(|evidence, _, idempotent, _, _, _, _, verdict| {
        let unknown = matches!(evidence, Evidence::SentNoReply | Evidence::ReplyStarted);
        if unknown && !idempotent {
            assert_eq!(verdict, RetryVerdict::MaybeProcessed);
        }
    });
}

#[test]
fn no_request_that_a_peer_has_looked_at_is_tried_more_than_three_times() {
    every_case(|evidence, _, _, _, attempt, _, fresh, verdict| {
        let most = if evidence.costs_the_peer() || fresh {
            3
        } else {
            9
        };
        assert!(attempt < most || !is_retry(verdict));
    });
}

#[test]
fn a_body_that_is_not_whole_any_more_is_never_sent_again() {
    every_case(|_, _, _, replayable, _, _, _, verdict| {
        assert!(replayable || !is_retry(verdict));
    });
}

#[test]
fn an_idempotent_request_on_a_reused_connection_gets_exactly_one_more_try() {
    let limits = RetryLimits::default();
    let verdict = |attempt, resent| {
        retry_verdict(
            &Evidence::SentNoReply,
            &Method::GET,
            true,
            attempt,
            resent,
            false,
            &limits,
        )
    };
    assert!(is_retry(verdict(1, false)));
    // The first try may have met a connection that was closed, and have sent nothing.
    assert!(is_retry(verdict(2, false)));
    assert_eq!(verdict(2, true), RetryVerdict::MaybeProcessed);

    let never = RetryLimits {
        resend_idempotent: false,
        ..limits
    };
    let verdict = retry_verdict(
        &Evidence::SentNoReply,
        &Method::GET,
        true,
        1,
        false,
        false,
        &never,
    );
    assert_eq!(verdict, RetryVerdict::MaybeProcessed);
}

#[test]
fn the_delay_grows_with_every_refusal_up_to_its_bound() {
    let limits = RetryLimits {
        max_attempts: u32::MAX,
        max_untouched: u32::MAX,
        base_delay: Duration::from_millis(20),
        max_delay: Duration::from_millis(70),
        resend_idempotent: true,
    };
    let delay = |attempt| {
        retry_verdict(
            &Evidence::Refused,
            &Method::POST,
            true,
            attempt,
            false,
            false,
            &limits,
        )
    };
    for (attempt, millis) in [(1, 20), (2, 40), (3, 70), (4, 70), (1_000_000, 70)] {
        let delay_wanted = Duration::from_millis(millis);
        let wanted = RetryVerdict::Retry {
            delay: delay_wanted,
        };
        assert_eq!(delay(attempt), wanted);
    }
}

#[test]
fn the_budget_is_a_tenth_of_the_requests_and_a_constant() {
    let budget = RetryBudget::new(2, 10);
    let mut granted = 0;
    for _ in 0..1000 {
        budget.deposit();
        granted += u64::from(budget.try_withdraw());
    }
    assert_eq!(granted, 102);
    assert_eq!(budget.counts(), (1000, 102, 898));
}

#[test]
fn a_long_calm_does_not_save_up_a_storm() {
    let budget = RetryBudget::new(0, 10);
    for _ in 0..100_000 {
        budget.deposit();
    }
    let granted = (0..1000).filter(|_| budget.try_withdraw()).count();
    assert_eq!(granted, 100);
}

#[test]
fn another_constant_is_so_many_more_or_fewer_and_leaves_what_was_saved() {
    let budget = RetryBudget::new(2, 100);
    budget.deposit();
    let granted = |budget: &RetryBudget| (0..1000).filter(|_| budget.try_withdraw()).count();
    budget.set(5, 100);
    assert_eq!(granted(&budget), 6, "five, and the one that was saved");
    budget.set(7, 100);
    assert_eq!(granted(&budget), 2, "five of the seven are spent");
    budget.set(0, 0);
    budget.deposit();
    assert_eq!(granted(&budget), 0);
}

#[test]
fn threads_share_one_budget() {
    let budget = RetryBudget::new(50, 10);
    let granted: usize = std::thread::scope(|scope| {
        let ask = || (0..100).filter(|_| budget.try_withdraw()).count();
        let askers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        askers.into_iter().map(|asker| asker.join().unwrap()).sum()
    });
    assert_eq!(granted, 50);
}
