//! Counts how often a future is polled and woken.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::turns::Turns;

/// Waits for `future` and adds its polls to `polls`.
pub(crate) async fn counted<F: Future>(future: F, polls: &mut usize) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        *polls += 1;
        future.as_mut().poll(cx)
    })
    .await
}

/// Waits for `future`, and tells `turns` when it began to wait and when it was served.
pub(crate) async fn in_turn<F: Future>(future: F, turns: &Turns, bell: &mut Bell) -> F::Output {
    let mut future = pin!(future);
    let mut ticket = None;
    poll_fn(|cx| {
        let polled = future.as_mut().poll(&mut Context::from_waker(bell.of(cx)));
        match (&polled, ticket) {
            (Poll::Pending, None) => ticket = Some(turns.joined()),
            (Poll::Pending, Some(_)) => {}
            (Poll::Ready(_), Some(ticket)) => turns.served(ticket),
            (Poll::Ready(_), None) => turns.served_at_once(),
        }
        polled
    })
    .await
}

/// Wakes a task and counts it.
pub(crate) struct Bell {
    wakes: Arc<AtomicUsize>,
    waker: Option<Waker>,
}

struct Counting {
    task: Waker,
    wakes: Arc<AtomicUsize>,
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        self.task.wake_by_ref();
    }
}

impl Bell {
    /// Adds to `wakes`.
    pub(crate) fn new(wakes: &Arc<AtomicUsize>) -> Self {
        Self {
            wakes: wakes.clone(),
            waker: None,
        }
    }

    /// The task's waker, counted; made when it is first asked for, and always the same.
    fn of(&mut self, cx: &Context<'_>) -> &Waker {
        self.waker.get_or_insert_with(|| {
            let counting = Counting {
                task: cx.waker().clone(),
                wakes: self.wakes.clone(),
            };
            // The harness's own: not what an acquire costs.
            let mut waker = None;
            allocation_counter::opt_out(|| waker = Some(Waker::from(Arc::new(counting))));
            waker.expect("it was just made")
        })
    }
}
