//! Who was served before whom, counted without a clock.

use std::sync::{Mutex, MutexGuard};

/// The order in which tasks that share connections are served.
pub(crate) struct Turns {
    conns: usize,
    /// What each task wants in all.
    each: usize,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    tickets: usize,
    waiting: usize,
    /// The highest ticket served so far.
    last: usize,
    out_of_turn: usize,
    /// How often each task has been served, until the first has all it wants.
    shares: Vec<usize>,
    fewest: Option<usize>,
}

impl Turns {
    pub(crate) fn new(tasks: usize, conns: usize, each: usize) -> Self {
        let books = Books {
            shares: vec![0; tasks],
            ..Books::default()
        };
        Self {
            conns,
            each,
            books: Mutex::new(books),
        }
    }

    /// Somebody has to wait. Returns its ticket; later ones are higher.
    pub(crate) fn joined(&self) -> usize {
        let mut books = self.books();
        books.tickets += 1;
        books.waiting += 1;
        books.tickets
    }

    /// Somebody who waited is served.
    pub(crate) fn served(&self, ticket: usize) {
        let mut books = self.books();
        books.waiting -= 1;
        if ticket < books.last {
            books.out_of_turn += 1;
        }
        books.last = books.last.max(ticket);
    }

    /// Somebody is served who did not have to wait. As many as there are connections may have been granted theirs
    /// and not have noticed yet; if more wait than that, it was not the newcomer's turn.
    pub(crate) fn served_at_once(&self) {
        let mut books = self.books();
        if books.waiting > self.conns {
            books.out_of_turn += 1;
        }
    }

    /// Counts to the share of `task`.
    pub(crate) fn count(&self, task: usize) {
        let mut books = self.books();
        books.shares[task] += 1;
        if books.fewest.is_none() && books.shares[task] == self.each {
            books.fewest = books.shares.iter().min().copied();
        }
    }

    pub(crate) fn out_of_turn(&self) -> usize {
        self.books().out_of_turn
    }

    /// What the first task to finish had, over what the least served one had by then.
    pub(crate) fn most_to_fewest(&self) -> f64 {
        let fewest = self.books().fewest.expect("a task has finished");
        self.each as f64 / fewest as f64
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().expect("nothing panics under it")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_overtakes_is_counted() {
        let turns = Turns::new(2, 1, 1);
        let (first, second) = (turns.joined(), turns.joined());
        // One connection, two waiters: the newcomer took what was another's.
        turns.served_at_once();
        assert_eq!(turns.out_of_turn(), 1);
        turns.served(second);
        assert_eq!(turns.out_of_turn(), 1);
        turns.served(first);
        assert_eq!(turns.out_of_turn(), 2);
    }

    #[test]
    fn shares_are_compared_when_the_first_has_all() {
        let turns = Turns::new(2, 1, 2);
        for task in [0, 1, 1, 0] {
            turns.count(task);
        }
        assert_eq!(turns.most_to_fewest(), 2.0);
    }
}
