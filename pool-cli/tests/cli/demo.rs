//! The demo proves what does not depend on how quick this machine is.

use super::support::Pool;

#[test]
fn the_demo_holds_its_claims_and_exits_accordingly() {
    let ended = Pool::new(&["demo", "--json", "--requests", "200", "--seed", "3"]).run();
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
    let report = ended.record();
    let rows = report["rows"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["cold", "keep_alive", "hot", "hot_kill"]);
    for row in rows {
        let (ok, failed) = (row["ok"].as_u64().unwrap(), row["failed"].as_u64().unwrap());
        assert_eq!(ok + failed, 200, "{row}");
    }
    // An address in eight is dead and one forbids; the other six have a handshake for each of their 25 requests.
    assert_eq!(
        (&rows[0]["failed"], &rows[0]["handshakes"]),
        (&50.into(), &175.into()),
        "{report}"
    );
    for row in &rows[2..] {
        assert_eq!(row["failed"], 0, "{row}");
    }
    assert_eq!(rows[2]["handshakes"], 0);
    assert_eq!(rows[2]["sources_seen"], 32);
    let cells = report["matrix"]["cells"].as_array().unwrap();
    assert_eq!(cells.len(), 8);
    assert!(
        cells.iter().all(|line| line.as_str().unwrap().len() == 32),
        "{report}"
    );
    let claims = report["claims"].as_array().unwrap();
    let held = claims.iter().all(|claim| claim["held"] == true);
    assert_eq!(held, ended.code == Some(0), "{report}");
}
