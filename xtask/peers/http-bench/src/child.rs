//! A process that is told what to do line by line and answers in lines.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::BoxError;

/// A running process. Dropping it ends its input, upon which it ends.
pub(crate) struct Child {
    process: std::process::Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    name: String,
}

impl Child {
    pub(crate) fn start(command: &mut Command) -> Result<Self, BoxError> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let output = process.stdout.take().expect("its output is piped");
        Ok(Self {
            input: process.stdin.take(),
            output: BufReader::new(output),
            process,
            name,
        })
    }

    /// Says a line and waits for the answer.
    pub(crate) fn ask(&mut self, line: &str) -> Result<Value, BoxError> {
        let input = self.input.as_mut().expect("it is there until the end");
        writeln!(input, "{line}").map_err(|error| format!("{}: {line}: {error}", self.name))?;
        let answer = self.line()?;
        serde_json::from_str(&answer)
            .map_err(|error| format!("{}: {line}: `{answer}`: {error}", self.name).into())
    }

    /// Waits for a line.
    pub(crate) fn line(&mut self) -> Result<String, BoxError> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if line.is_empty() {
            let status = self.process.wait()?;
            return Err(format!("{}: {status}", self.name).into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.input = None;
        // It has nothing more to say that anybody waits for.
        let _ = self.process.wait();
    }
}

/// Runs a command to its end and reads the last line it printed.
pub(crate) fn once(command: &mut Command) -> Result<Value, BoxError> {
    let name: &OsStr = command.get_program();
    let name = name.to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name}: {}: {}", output.status, said.trim()).into());
    }
    Ok(serde_json::from_str(last)?)
}

/// A number of an answer.
pub(crate) fn number(answer: &Value, name: &str) -> Result<f64, BoxError> {
    answer[name]
        .as_f64()
        .ok_or_else(|| format!("`{name}` is missing in {answer}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_answers_and_its_end_is_an_error() {
        let mut child = Child::start(&mut Command::new("cat")).expect("there is `cat`");
        let answer = child.ask("{\"rps\": 7}").expect("it repeats");
        assert_eq!(number(&answer, "rps").expect("it is there"), 7.0);
        assert!(number(&answer, "cpu").is_err());
        let mut child = Child::start(&mut Command::new("true")).expect("there is `true`");
        assert!(child.line().is_err());
    }
}
