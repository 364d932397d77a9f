//! Who is served first where several wait.

/// The class of somebody who waits for a connection.
///
/// Within a class the first to come is the first served. Between classes that all have somebody waiting, hand-offs are
/// shared 9 : 3 : 1, so that no class starves: whoever is first in its class sees at most twelve others served before it.
/// The weights are powers of three, so that each class outweighs the ones below it together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Somebody is looking at a screen.
    High,
    /// Whatever has not been said to be otherwise.
    #[default]
    Normal,
    /// It can wait: refreshes, prefetches, background crawls.
    Low,
}

impl Priority {
    /// Every class, the one with the most weight first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// The share of hand-offs while every class has somebody waiting.
    pub fn weight(self) -> u32 {
        match self {
            Self::High => 9,
            Self::Normal => 3,
            Self::Low => 1,
        }
    }
}
