//! Whose dials go first where several warm-ups run at once.

use tokio::sync::watch;

use crate::priority::Priority;

/// How many warm-ups of each class are under way.
#[derive(Debug)]
pub(crate) struct Precedence(watch::Sender<[usize; Priority::ALL.len()]>);

/// A warm-up under way, until it is dropped.
pub(super) struct Place<'a> {
    precedence: &'a Precedence,
    class: usize,
}

impl Precedence {
    pub(super) fn enter(&self, priority: Priority) -> Place<'_> {
        let class = class(priority);
        self.0.send_modify(|under_way| under_way[class] += 1);
        Place {
            precedence: self,
            class,
        }
    }
}

impl Default for Precedence {
    fn default() -> Self {
        Self(watch::Sender::new([0; Priority::ALL.len()]))
    }
}

impl Place<'_> {
    /// Waits until no warm-up of a class above is under way.
    pub(super) async fn turn(&self) {
        let mut under_way = self.precedence.0.subscribe();
        let free = |under_way: &[usize; _]| under_way[..self.class].iter().all(|&of| of == 0);
        // The sender is there as long as this place.
        let _free = under_way.wait_for(free).await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let precedence = &self.precedence.0;
        precedence.send_modify(|under_way| under_way[self.class] -= 1);
    }
}

/// Its place in [`Priority::ALL`].
fn class(priority: Priority) -> usize {
    match priority {
        Priority::High => 0,
        Priority::Normal => 1,
        Priority::Low => 2,
    }
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, assert_ready, task::spawn};

    use super::*;

    #[test]
    fn classes_are_numbered_as_they_are_listed() {
        assert_eq!(Priority::ALL.map(class), [0, 1, 2]);
    }

    #[test]
    fn a_turn_comes_when_nobody_above_is_under_way() {
        let precedence = Precedence::default();
        let [high, normal, low] = Priority::ALL.map(|priority| precedence.enter(priority));
        assert_ready!(spawn(high.turn()).poll());
        let (mut second, mut third) = (spawn(normal.turn()), spawn(low.turn()));
        assert_pending!(second.poll());
        assert_pending!(third.poll());
        drop(high);
        assert!(second.is_woken());
        assert_ready!(second.poll());
        assert_pending!(third.poll());
        drop(second);
        drop(normal);
        assert_ready!(third.poll());
    }

    #[test]
    fn those_of_one_class_do_not_wait_for_each_other() {
        let precedence = Precedence::default();
        let places = [(); 2].map(|()| precedence.enter(Priority::Low));
        for place in &places {
            assert_ready!(spawn(place.turn()).poll());
        }
    }
}
