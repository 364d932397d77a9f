//! The flags of `cargo xtask mutants`.

use super::Mutant;

/// Which mutants, and what to do with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Args {
    /// Name them, run none.
    pub(super) list: bool,
    /// Print the table as the page has it.
    pub(super) markdown: bool,
    /// Parts of names; without any, every mutant is meant.
    only: Vec<String>,
}

impl Args {
    /// Reads the flags; the error says what is wrong with them.
    pub(super) fn parse(args: &[String]) -> Result<Self, String> {
        let mut parsed = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--list" => parsed.list = true,
                "--markdown" => parsed.markdown = true,
                "--only" => {
                    let name = args.next().ok_or("`--only` takes part of a name")?;
                    parsed.only.push(name.clone());
                }
                other => return Err(format!("no flag named `{other}`")),
            }
        }
        Ok(parsed)
    }

    /// Whether `mutant` is among those asked for.
    pub(super) fn selects(&self, mutant: &Mutant) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| mutant.name.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::mutants;
    use super::*;

    fn parse(args: &[&str]) -> Result<Args, String> {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        Args::parse(&args)
    }

    #[test]
    fn without_a_name_every_mutant_is_meant() {
        let args = parse(&["--markdown"]).expect("the flags are right");
        assert!(args.markdown && !args.list);
        assert!(mutants().all(|mutant| args.selects(mutant)));
    }

    #[test]
    fn names_select_the_mutants_that_have_them() {
        let args = parse(&["--only", "`total`", "--list", "--only", "POST"]);
        let args = args.expect("the flags are right");
        let chosen = mutants().filter(|mutant| args.selects(mutant));
        assert_eq!(chosen.count(), 2);
        assert!(args.list);
    }

    #[test]
    fn wrong_flags_say_what_is_wrong() {
        for (line, said) in [
            (&["--only"][..], "takes part of a name"),
            (&["--fast"], "no flag named `--fast`"),
            (&["total"], "no flag named `total`"),
        ] {
            let error = parse(line).expect_err(said);
            assert!(error.contains(said), "{error}");
        }
    }
}
