//! Two TLS configurations made at the same moment are two: else their connections and tickets would mix.

use crate::dice::{Dice, rounds};
use pool_tls::TlsConfigId;
use std::collections::HashSet;
use std::sync::Barrier;
use std::thread;

#[test]
fn configurations_made_at_once_by_many_threads_all_differ() {
    const THREADS: usize = 16;
    let mut dice = Dice::of("tls_identities_are_never_shared");
    for _ in 0..rounds(20, 400) {
        let each = usize::try_from(1 + dice.below(200)).expect("a small number");
        let start = Barrier::new(THREADS);
        let made = || {
            start.wait();
            (0..each).map(|_| TlsConfigId::unique()).collect::<Vec<_>>()
        };
        let ids: Vec<TlsConfigId> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(made)).collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().expect("the thread ran"))
                .collect()
        });
        let distinct: HashSet<TlsConfigId> = ids.iter().copied().collect();
        assert_eq!(distinct.len(), THREADS * each);
        assert!(
            !distinct.contains(&TlsConfigId::default()),
            "that one is plain text's"
        );
    }
}
