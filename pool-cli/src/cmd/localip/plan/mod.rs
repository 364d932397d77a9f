//! `pool localip plan`: what has to be done on this machine so that connections can come from all of a prefix; and, if asked to,
//! does it.

mod action;
mod apply;
mod steps;

use serde::Serialize;

use super::kernel;
use crate::args::LocalipPlanArgs;
use crate::exit::{Exit, Failure};
use crate::output::{Output, Versioned, note};
use steps::{Machine, Plan, State, Step};

#[derive(Serialize)]
struct Report<'a> {
    prefix: String,
    /// As it was written, which may have host bits.
    given: String,
    interface: Option<&'a str>,
    /// `loopback`, `link` or `routed`: how the prefix arrives, as far as this machine can know.
    arrives: &'static str,
    steps: Vec<ReportStep<'a>>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct ReportStep<'a> {
    /// `needed`, `there` or `optional`.
    state: &'static str,
    /// `null` where nothing on this machine does it.
    command: Option<String>,
    why: &'a str,
}

/// Prints the plan, as a shell script or as one JSON object; or carries it out, or takes that back.
pub(super) fn run(args: &LocalipPlanArgs) -> Result<Exit, Failure> {
    let prefix = args.prefix;
    super::warn_of_host_bits(prefix);
    super::refuse_one_link(prefix)?;
    let journal = || {
        args.journal
            .clone()
            .unwrap_or_else(|| apply::journal(prefix))
    };
    if args.undo {
        return apply::undo(&journal());
    }
    let network = super::network()?;
    let machine = Machine {
        network: &network,
        sysctl: &kernel::sysctl,
    };
    let plan = machine.plan(prefix, args.interface.as_deref())?;
    if args.apply {
        for warning in &plan.warnings {
            note(&format!("warning: {warning}"));
        }
        return apply::apply(&plan, &journal(), args.yes);
    }
    let mut stdout = Output::stdout();
    if args.json {
        let report = Report {
            prefix: prefix.to_string(),
            given: format!("{}/{}", prefix.given(), prefix.prefix_len()),
            interface: plan.interface.as_deref(),
            arrives: plan.arrives.name(),
            steps: plan.steps.iter().map(report_step).collect(),
            warnings: &plan.warnings,
        };
        stdout.json(&Versioned::new(report))?;
    } else {
        stdout.write(script(&prefix.to_string(), &plan).as_bytes())?;
    }
    Ok(Exit::AllGood)
}

fn report_step(step: &Step) -> ReportStep<'_> {
    ReportStep {
        state: step.state.name(),
        command: step.action.as_ref().map(ToString::to_string),
        why: &step.why,
    }
}

/// Commands for root, with all that is to be read as comments.
fn script(prefix: &str, plan: &Plan) -> String {
    let needed = |step: &&Step| step.state == State::Needed && step.action.is_some();
    let needed = plan.steps.iter().filter(needed).count();
    let mut text = format!("# Connections from {prefix} on this machine. Nothing was changed.\n");
    text.push_str(&match needed {
        0 => "# Nothing is to be done here.\n".to_owned(),
        1 => "# 1 command for root; what it does is gone after a restart.\n".to_owned(),
        _ => format!("# {needed} commands for root; what they do is gone after a restart.\n"),
    });
    for warning in &plan.warnings {
        text.push_str(&format!("# WARNING: {warning}\n"));
    }
    for step in &plan.steps {
        let (lead, commented) = match step.state {
            State::Needed => ("", false),
            State::There => ("so already: ", true),
            State::Optional => ("not needed by pool: ", true),
        };
        text.push_str(&format!("\n# {lead}{}\n", step.why));
        let command = step.action.as_ref().map(ToString::to_string);
        for line in command.iter().flat_map(|command| command.lines()) {
            let mark = if commented { "#   " } else { "" };
            text.push_str(&format!("{mark}{line}\n"));
        }
    }
    let freebind = if plan.freebind { " --freebind" } else { "" };
    text.push_str(&format!(
        "\n# Then: pool localip check {prefix}\n#       pool fetch{freebind} --source {prefix} URL\n"
    ));
    text
}

#[cfg(test)]
mod tests;
