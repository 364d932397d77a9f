//! Judges a history by the promises.

use std::time::Duration;

use http::Method;
use pool_core::{ErrorKind, Phase};

use crate::history::{Asked, Book, Executed, Outcome};
use crate::plan::Plan;

/// What is wrong with a history.
pub(crate) fn check(plan: &Plan, book: &Book) -> Vec<String> {
    let mut broken = Vec::new();
    let mut executed: Vec<Vec<&Executed>> = vec![Vec::new(); book.asked.len()];
    for done in &book.ledger {
        match executed.get_mut(done.id) {
            Some(times) => times.push(done),
            None => broken.push(format!("#{} was executed and never asked", done.id)),
        }
    }
    for (id, (asked, executed)) in book.asked.iter().zip(&executed).enumerate() {
        let verdicts = [
            one_outcome(asked),
            answered_by_execution(asked, executed),
            executed_no_more_than_allowed(plan, asked, executed),
            unseen_if_it_says_so(asked, executed),
            in_time(plan, asked),
            refused_after_close(book, asked),
        ];
        let wrong = verdicts.into_iter().flatten();
        broken.extend(wrong.map(|wrong| format!("{wrong}: #{id} {asked:?}, {executed:?}")));
    }
    broken.extend(arrival_order(book));
    broken.extend(dead_ends(book));
    broken
}

/// I9: every request has an outcome, and it is an outcome of its own.
fn one_outcome(asked: &Asked) -> Option<&'static str> {
    match &asked.outcome {
        None => Some("I9: no outcome"),
        Some(Outcome::Hung) => Some("I9: never answered"),
        Some(Outcome::Foreign(_)) => Some("I7: not the answer to this request"),
        Some(_) => None,
    }
}

/// A response is the response of a server that has done the request, as it was asked for.
fn answered_by_execution(asked: &Asked, executed: &[&Executed]) -> Option<&'static str> {
    let (Some(Outcome::Answered(answer) | Outcome::Dropped(answer))
    | Some(Outcome::CutShort(answer, _))) = &asked.outcome
    else {
        return None;
    };
    if answer.status != 200 {
        return None;
    }
    let same = |done: &&&Executed| done.intact && done.method == asked.method;
    let Some(_) = executed.iter().find(same) else {
        return Some("answered and never done");
    };
    None
}

/// I11: what may not be repeated is done at most once, and what may be at most once more.
fn executed_no_more_than_allowed(
    plan: &Plan,
    asked: &Asked,
    executed: &[&Executed],
) -> Option<&'static str> {
    let is_single =
        asked.method == Method::POST || asked.once || plan.config.retry.max_attempts == 1;
    let most = if is_single { 1 } else { 2 };
    if executed.len() > most {
        return Some("I11: done too often");
    }
    let attempts = match &asked.outcome {
        Some(Outcome::Answered(answer) | Outcome::Dropped(answer)) => answer.attempts,
        Some(Outcome::CutShort(answer, _)) => answer.attempts,
        Some(Outcome::Failed { attempts, .. }) => *attempts,
        _ => return None,
    };
    (executed.len() > attempts as usize).then_some("I11: done more often than tried")
}

/// An error that says that the request was not sent, or not looked at, is right.
fn unseen_if_it_says_so(asked: &Asked, executed: &[&Executed]) -> Option<&'static str> {
    let Some(Outcome::Failed { kind, attempts }) = asked.outcome else {
        return None;
    };
    // After an earlier try, an error of waiting or dialling says nothing of that one, if it was one to repeat.
    let says_unseen = attempts == 0
        || (asked.method == Method::POST && !may_be_seen(kind))
        || (attempts == 1 && kind == ErrorKind::Protocol);
    (says_unseen && !executed.is_empty()).then_some("said to be unseen, and done")
}

fn may_be_seen(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::MaybeProcessed
            | ErrorKind::Body
            | ErrorKind::RuntimeGone
            | ErrorKind::Timeout(Phase::ResponseHead | Phase::BodyIdle)
    )
}

/// I9: a request ends when its deadlines say so.
fn in_time(plan: &Plan, asked: &Asked) -> Option<&'static str> {
    let Some(Outcome::Failed { kind, attempts }) = asked.outcome else {
        return None;
    };
    let took = asked.ended?.saturating_sub(asked.began);
    let timeouts = &plan.config.timeouts;
    if attempts == 0 {
        if took > timeouts.acquire + SLACK {
            return Some("I9: waited beyond its deadline");
        }
        let is_early = took + Duration::from_millis(1) < timeouts.acquire;
        return (kind == ErrorKind::Timeout(Phase::Acquire) && is_early)
            .then_some("I9: gave up before its deadline");
    }
    // Uploads move the deadline of the head, and refusals cost up to a second each.
    let per_try = timeouts.acquire + timeouts.response_head + Duration::from_secs(3);
    (took > per_try * (attempts + 1)).then_some("I9: took longer than all its tries")
}

/// I13: a pool that was closed takes nothing, and tells those who wait.
fn refused_after_close(book: &Book, asked: &Asked) -> Option<&'static str> {
    let (closed, ended) = (book.closed?, asked.ended?);
    let Some(Outcome::Failed { kind, attempts }) = asked.outcome else {
        let is_late = asked.began > closed && asked.outcome != Some(Outcome::Cancelled);
        return is_late.then_some("I13: served after the close");
    };
    if asked.began > closed {
        let is_refused = (kind, attempts) == (ErrorKind::Closed, 0);
        return (!is_refused).then_some("I13: not refused after the close");
    }
    let is_waiting = matches!(
        kind,
        ErrorKind::Timeout(Phase::Acquire | Phase::Resolve | Phase::Connect | Phase::Handshake)
            | ErrorKind::Saturated
            | ErrorKind::Unavailable
            | ErrorKind::Refused
            | ErrorKind::Connect
            | ErrorKind::Resolve
    );
    (ended > closed && is_waiting).then_some("I13: waited on after the close")
}

/// I5: those who wait for one host are served in the order they came.
///
/// Several may be given connections at once, and a policy then send the first of them back to the head of the queue, because
/// its connection has been idle for too long. So nothing is said of grants of a moment in which that may have happened: a
/// connection that was evicted went then, or somebody else was given its last stream.
fn arrival_order(book: &Book) -> Vec<String> {
    let mut waited: Vec<(Duration, Duration, usize, usize)> = Vec::new();
    let mut evictions = Vec::new();
    for (id, asked) in book.asked.iter().enumerate() {
        let wait = match &asked.outcome {
            Some(Outcome::Answered(answer) | Outcome::Dropped(answer)) if answer.attempts == 1 => {
                if book.evicted.contains_key(&answer.conn) {
                    evictions.push((asked.began + answer.wait, asked.host));
                }
                answer.wait
            }
            Some(Outcome::Unused { wait }) => *wait,
            _ => continue,
        };
        if !wait.is_zero() {
            waited.push((asked.began, asked.began + wait, asked.host, id));
        }
    }
    let mut broken = Vec::new();
    for &(began, granted, host, id) in &waited {
        let overtaken = waited.iter().find(|(later, sooner, other, _)| {
            let overtook = *other == host && *later > began && *sooner + SLACK < granted;
            overtook && !took_back(&evictions, book, host, *sooner)
        });
        if let Some((_, _, _, other)) = overtaken {
            broken.push(format!("I5: #{other} overtook #{id} at h{host}"));
        }
    }
    broken
}

/// Whether a policy may have taken back a grant of this host at this moment. `granted` are the grants of connections that were
/// evicted later.
fn took_back(granted: &[(Duration, usize)], book: &Book, host: usize, at: Duration) -> bool {
    let near = |time: Duration| time.abs_diff(at) <= MOMENT;
    let name = format!("://h{host}.");
    let gone = || book.evicted.values();
    granted.iter().any(|&(time, of)| of == host && near(time))
        || gone().any(|(time, key)| near(*time) && key.contains(&name))
}

/// I6: what is known to take no request is not handed out. A try that fails without any time going by had a connection
/// that was dead already; that may happen to one of many that die together, and not again and again.
fn dead_ends(book: &Book) -> Vec<String> {
    let mut broken = Vec::new();
    for (at, key, attempts) in &book.retried {
        let earlier = |tries: &u32| {
            let same = |(time, other, count): &(Duration, String, u32)| {
                (time, other, count) == (at, key, tries)
            };
            book.retried.iter().any(same)
        };
        if *attempts > DEAD_ENDS && (1..*attempts).all(|tries| earlier(&tries)) {
            broken.push(format!(
                "I6: {attempts} dead connections in a row for {key} at {at:?}"
            ));
        }
    }
    broken
}

/// Dead connections that one request may be given at one moment.
const DEAD_ENDS: u32 = 2;

/// How much later than its deadline a request may end.
const SLACK: Duration = Duration::from_millis(100);

/// The resolution of tokio's timers.
const MOMENT: Duration = Duration::from_millis(2);
