//! What the numbers were taken on.

use std::fmt;
use std::process::Command;

use serde_json::{Value, json};

/// Processor, cores and compiler.
pub struct Machine {
    cores: usize,
    cpu: String,
    rustc: String,
}

impl Machine {
    pub fn here() -> Self {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let cpu = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("unknown processor", |(_, model)| model);
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let version = Command::new(rustc).arg("--version").output();
        let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: cpu.trim().to_owned(),
            rustc: version.unwrap_or_default().trim().to_owned(),
        }
    }

    pub fn json(&self) -> Value {
        json!({ "cores": self.cores, "cpu": self.cpu, "rustc": self.rustc })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, cpu, rustc } = self;
        write!(f, "{cores} cores, {cpu}, {rustc}")
    }
}
