//! The demo's outcome, for people and programs.

use std::net::SocketAddr;

use serde::Serialize;

use super::claims::{self, Claim};
use super::row::Row;
use super::stage::{RTT, Roles, Stage};
use crate::cmd::matrix::Matrix;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    rows: Vec<Row>,
    matrix: Matrix,
    pub(super) claims: Vec<Claim>,
    seed: u64,
    /// Indices into the matrix's targets.
    roles: Roles,
    /// Whether ports stand in for addresses, because this system binds no other loopback address.
    ports_stand_in: bool,
    #[serde(skip)]
    targets: Vec<SocketAddr>,
}

impl Report {
    pub(super) fn new(stage: &Stage, matrix: Matrix, rows: Vec<Row>, claims: Vec<Claim>) -> Self {
        Self {
            rows,
            matrix,
            claims,
            seed: stage.seed,
            roles: stage.roles,
            ports_stand_in: stage.fleet.ports_stand_in(),
            targets: stage.fleet.addrs(),
        }
    }

    /// Several lines.
    pub(super) fn text(&self) -> String {
        let Roles {
            dead,
            forbidding,
            slow,
            killed,
        } = self.roles;
        let [dead, forbidding, slow, killed] =
            [dead, forbidding, slow, killed].map(|index| self.targets[index]);
        let mut text = format!(
            "One name on {} addresses, {} ms away (simulated). {dead} is dead, {forbidding} answers 403, {slow} turns\n\
             slow half-way through every row, {killed} is killed half-way through the last one. Seed {}.\n",
            self.targets.len(),
            RTT.as_millis(),
            self.seed,
        );
        if self.ports_stand_in {
            text.push_str("This system binds one loopback address only: ports stand in for the others, and there is one source.\n");
        }
        text.push_str("\nThe matrix that hot begins with:\n\n");
        text.push_str(&self.matrix.text());
        text.push_str(&format!(
            "\n{:12}{:>9}{:>7}{:>8}{:>10}{:>10}{:>12}{:>9}\n",
            "row", "requests", "ok", "failed", "p50 ms", "p99 ms", "handshakes", "sources"
        ));
        for row in &self.rows {
            text.push_str(&row_text(row));
        }
        text.push_str(
            "\ncold: no pool, a connection for each request. keep_alive: a pool, nothing warmed. hot: warmed and checked.\n\
             p50 and p99 are of the requests that were ok. Handshakes and sources are what the origins counted.\n\n",
        );
        for Claim { claim, held } in &self.claims {
            let verdict = if *held { "held" } else { "BROKEN" };
            text.push_str(&format!("{verdict:8}{claim}\n"));
        }
        if claims::broken(&self.claims).is_empty() {
            let program = program();
            text.push_str(&format!(
                "\nNext:\n  {program} demo --requests 4000 --concurrency 64 --seed 7\n  {program} fetch --help\n"
            ));
        }
        text
    }
}

fn row_text(row: &Row) -> String {
    let millis = |micros: u64| micros as f64 / 1000.0;
    let Row {
        name,
        requests,
        ok,
        failed,
        p50_us,
        p99_us,
        handshakes,
        sources_seen,
    } = row;
    format!(
        "{name:12}{requests:>9}{ok:>7}{failed:>8}{:>10.1}{:>10.1}{handshakes:>12}{sources_seen:>9}\n",
        millis(*p50_us),
        millis(*p99_us),
    )
}

/// This program as it was called, so that the next command can be pasted.
fn program() -> String {
    std::env::args().next().unwrap_or_else(|| "pool".into())
}
