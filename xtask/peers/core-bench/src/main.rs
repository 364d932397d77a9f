//! Measures the connection manager beside other pools, without a network; run by `cargo xtask bench core`.

#![forbid(unsafe_code)]

mod clock;
mod harness;
mod machine;
mod ours;
mod peers;
mod polls;
mod profile;
mod report;
mod rows;
mod turns;
mod waiters;
mod walk;

use harness::Effort;
use machine::Machine;

fn main() {
    let quick = std::env::args().any(|a| a == "--quick");
    let effort = if quick { Effort::QUICK } else { Effort::FULL };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    let args: Vec<String> = std::env::args().collect();
    if let [_, flag, name, ops] = &args[..]
        && flag == "--profile"
    {
        assert!(profile::run(name, ops.parse().expect("a number")));
        return;
    }
    println!("{}", Machine::here());
    println!("{}", rows::waiting::timed(effort).text());
    println!("{}", rows::waiting::counted(effort).text());
    println!("{}", rows::wide::selection(effort).text());
    println!("{}", rows::wide::load(effort).text());
    println!("{}", rows::acquire::table(effort).text());
}
