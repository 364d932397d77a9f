//! A host's fair turn while others starve, and giving up what is idle.

use super::*;

#[test]
fn after_its_turn_a_host_gives_up_the_connection_it_would_hand_on() {
    let mut rig = Rig::manual(LIMITS);
    rig.starving = true;
    let conn = rig.h1();
    rig.claim();
    for _ in 0..3 {
        rig.join();
    }
    for _ in 0..LIMITS.fair_turn - 1 {
        rig.release(conn);
        assert_eq!(rig.grants().len(), 1);
    }
    rig.release(conn);
    assert_eq!(rig.closes(), [(conn, CloseReason::Reclaimed)]);
    assert!(rig.grants().is_empty());
}

#[test]
fn after_its_turn_an_h2_connection_drains() {
    let mut rig = Rig::manual(LIMITS);
    rig.starving = true;
    let conn = rig.h2(100);
    rig.claim();
    rig.claim();
    assert_eq!(rig.try_claim(), None);
    assert!(rig.out.is_empty());
    rig.release(conn);
    rig.release(conn);
    assert_eq!(rig.closes(), [(conn, CloseReason::Reclaimed)]);
}

#[test]
fn a_connection_nobody_here_waits_for_goes_to_the_starving_at_once() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    rig.starving = true;
    rig.release(conn);
    assert_eq!(rig.closes(), [(conn, CloseReason::Reclaimed)]);
}

#[test]
fn a_turn_begins_anew_when_nobody_starves() {
    let mut rig = Rig::manual(LIMITS);
    rig.h2(100);
    for _ in 0..3 {
        rig.starving = true;
        for _ in 0..LIMITS.fair_turn {
            rig.claim();
        }
        rig.starving = false;
        rig.claim();
    }
    assert!(rig.out.is_empty());
}

#[test]
fn a_claim_gives_up_one_connection_and_takes_the_next() {
    let mut rig = Rig::manual(LIMITS);
    rig.starving = true;
    let conns = [rig.h1(), rig.h1(), rig.h1(), rig.h1()];
    rig.claim();
    rig.claim();
    assert_eq!(rig.claim(), conns[0]);
    assert_eq!(rig.closes(), [(conns[1], CloseReason::Reclaimed)]);
}

#[test]
fn reclaiming_takes_the_longest_idle_if_it_is_old_enough() {
    let mut rig = Rig::manual(LIMITS);
    let old = rig.h1();
    rig.pass(ms(10));
    rig.h1();
    let reclaim = |rig: &mut Rig| rig.step(|state, now, out| state.reclaim(ms(20), now, out));
    assert!(!reclaim(&mut rig));
    rig.pass(ms(10));
    assert!(reclaim(&mut rig));
    assert!(!reclaim(&mut rig));
    assert_eq!(rig.closes(), [(old, CloseReason::Reclaimed)]);
}

#[test]
fn reclaiming_passes_over_a_connection_under_a_check() {
    let mut rig = Rig::manual(LIMITS);
    let checked = rig.h1();
    rig.pass(ms(1));
    let idle = rig.h1();
    rig.claim_for_check(checked).unwrap();
    assert!(rig.step(|state, now, out| state.reclaim(ms(0), now, out)));
    assert_eq!(rig.closes(), [(idle, CloseReason::Reclaimed)]);
    assert!(!rig.step(|state, now, out| state.reclaim(ms(0), now, out)));
}

#[test]
fn an_eviction_spares_what_has_been_leased_since() {
    let mut rig = Rig::manual(LIMITS);
    let conn = rig.h1();
    rig.claim();
    let evict = |rig: &mut Rig| {
        rig.step(|state, now, out| state.evict_idle(conn, CloseReason::Idle, now, out))
    };
    assert!(!evict(&mut rig));
    rig.release(conn);
    assert!(evict(&mut rig));
    assert_eq!(rig.closes(), [(conn, CloseReason::Idle)]);
}
