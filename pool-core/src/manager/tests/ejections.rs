//! Outlier policies judge without a lock, several at once; what they say is taken as far as it still holds.

use pool_health::Outcome;

use super::*;
use crate::manager::Ejection;

fn known(host: &HostHandle<Held>, at: SocketAddr) -> Option<pool_health::HostEndpoints> {
    let seen = host.observe(at, Outcome::Reset.into(), true);
    seen.map(|(_, endpoints)| endpoints)
}

#[test]
fn of_two_that_know_of_the_same_addresses_one_has_to_look_again() {
    let manager = Manager::new(&Limits::default());
    let host = manager.host(&key("a"));
    host.set_addresses(&[target(1), target(2)]);
    let knew = [1, 2].map(|last| known(&host, target(last)).expect("it is in rotation"));
    let until = now() + Duration::from_secs(60);
    assert!(matches!(
        host.eject(target(1), until, &knew[0]),
        Ejection::Done
    ));
    let Ejection::JudgeAgain(there) = host.eject(target(2), until, &knew[1]) else {
        panic!("both would be out");
    };
    assert!(there.is_last());
}

#[test]
fn what_is_out_is_neither_judged_nor_ejected_again() {
    let manager = Manager::new(&Limits::default());
    let host = manager.host(&key("a"));
    host.set_addresses(&[target(1), target(2), target(3)]);
    let knew = known(&host, target(1)).expect("it is in rotation");
    let until = now() + Duration::from_secs(60);
    assert!(matches!(
        host.eject(target(1), until, &knew),
        Ejection::Done
    ));
    assert!(known(&host, target(1)).is_none());
    assert!(matches!(
        host.eject(target(1), until, &knew),
        Ejection::OutAlready
    ));
    host.judge(target(2), Standing::Ejected(None));
    assert!(known(&host, target(2)).is_none(), "a check condemned it");
}

#[test]
fn a_check_of_an_address_that_has_left_changes_nothing() {
    let (manager, census) = (Manager::new(&Limits::default()), Census::default());
    let conn = NewConn::exclusive(target(1), census.born());
    drop(manager.add(&key("a"), conn));
    let host = manager.host(&key("a"));
    let once = pool_health::Threshold::new(1, 1);
    // In use, so that it stays known until it comes back.
    let held = manager.try_acquire(&key("a")).expect("it is idle");
    host.set_addresses(&[target(2)]);
    assert_eq!(host.observe_check(target(1), false, once), None);
    let down = Some(pool_health::Change::Down);
    assert_eq!(host.observe_check(target(2), false, once), down);
    drop(held);
}
