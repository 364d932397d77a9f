//! What the rows are said to prove, and whether they do.

use serde::Serialize;

use super::row::Row;

/// One sentence, checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Claim {
    pub(super) claim: String,
    pub(super) held: bool,
}

/// Every claim over these rows. A row that is missing breaks the claims about it.
pub(super) fn check(rows: &[Row], sources: usize) -> Vec<Claim> {
    let claim = |claim: String, held: Option<bool>| Claim {
        claim,
        held: held.unwrap_or(false),
    };
    let row = |name: &str| rows.iter().find(|row| row.name == name);
    let (cold, hot, hot_kill) = (row("cold"), row("hot"), row("hot_kill"));
    vec![
        claim(
            "hot: no request failed".into(),
            hot.map(|hot| hot.failed == 0),
        ),
        claim(
            "hot_kill: no request failed, although an address died half-way".into(),
            hot_kill.map(|row| row.failed == 0),
        ),
        claim(
            "hot: no connection was opened, 0 handshakes".into(),
            hot.map(|hot| hot.handshakes == 0),
        ),
        claim(
            "hot: the median request was quicker than cold's".into(),
            hot.zip(cold).map(|(hot, cold)| hot.p50_us < cold.p50_us),
        ),
        claim(
            format!("hot: all sources carried requests, {sources} of {sources}"),
            hot.map(|hot| hot.sources_seen == sources),
        ),
    ]
}

/// Those that did not hold.
pub(super) fn broken(claims: &[Claim]) -> Vec<&str> {
    let broken = claims.iter().filter(|claim| !claim.held);
    broken.map(|claim| claim.claim.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |name, p50_us| Row {
            name,
            requests: 10,
            ok: 10,
            failed: 0,
            p50_us,
            p99_us: p50_us,
            handshakes: 0,
            sources_seen: 32,
        };
        vec![
            row("cold", 120),
            row("keep_alive", 50),
            row("hot", 40),
            row("hot_kill", 41),
        ]
    }

    fn broken_by(change: impl FnOnce(&mut Vec<Row>)) -> Vec<usize> {
        let mut rows = rows();
        change(&mut rows);
        let claims = check(&rows, 32).into_iter().enumerate();
        claims
            .filter(|(_, claim)| !claim.held)
            .map(|(i, _)| i)
            .collect()
    }

    #[test]
    fn good_rows_break_no_claim() {
        assert!(broken(&check(&rows(), 32)).is_empty());
    }

    #[test]
    fn each_claim_is_broken_by_its_own_number() {
        assert_eq!(broken_by(|rows| rows[2].failed = 1), [0]);
        assert_eq!(broken_by(|rows| rows[3].failed = 1), [1]);
        assert_eq!(broken_by(|rows| rows[2].handshakes = 1), [2]);
        assert_eq!(broken_by(|rows| rows[2].p50_us = 120), [3]);
        assert_eq!(broken_by(|rows| rows[2].sources_seen = 31), [4]);
        assert!(
            broken_by(|rows| rows[0].failed = 10).is_empty(),
            "cold may fail"
        );
    }

    #[test]
    fn without_rows_nothing_is_proven() {
        assert_eq!(broken(&check(&[], 32)).len(), 5);
    }
}
