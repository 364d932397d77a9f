//! What this process has used.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// Processor time so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    user: Duration,
    system: Duration,
}

impl Cpu {
    pub(crate) fn now() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask about itself");
        Self {
            user: duration(usage.user_time()),
            system: duration(usage.system_time()),
        }
    }

    /// Microseconds since then: all, and those in user space.
    pub(crate) fn since(self) -> [f64; 2] {
        let now = Self::now();
        let (user, system) = (now.user - self.user, now.system - self.system);
        [user + system, user].map(|time| time.as_secs_f64() * 1e6)
    }
}

fn duration(time: TimeVal) -> Duration {
    Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64)
}

/// Bytes of memory that are in use and present.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.parse::<u64>().ok())
        .map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_in_use_is_seen() {
        let before = resident();
        let block = std::hint::black_box(vec![1_u8; 32 << 20]);
        assert!(resident() >= before + (30 << 20), "{before}");
        drop(block);
    }
}
