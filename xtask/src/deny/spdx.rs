//! Whether a licence expression can be satisfied from a list of allowed licences.

/// Whether `expression` holds with only `allowed` licences: `OR` (and the old `/`) needs one side, `AND` both.
///
/// An empty or malformed expression does not hold.
pub(super) fn allows(expression: &str, allowed: &[String]) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut parser = Parser {
        tokens: spaced.split_whitespace().collect(),
        at: 0,
        allowed,
    };
    let holds = parser.any_of();
    holds && parser.at == parser.tokens.len()
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    at: usize,
    allowed: &'a [String],
}

impl Parser<'_> {
    // Both sides are always read, whatever the first one says: the parser must reach the end.
    fn any_of(&mut self) -> bool {
        let mut holds = self.all_of();
        while self.take("OR") {
            holds |= self.all_of();
        }
        holds
    }

    fn all_of(&mut self) -> bool {
        let mut holds = self.one();
        while self.take("AND") {
            holds &= self.one();
        }
        holds
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let holds = self.any_of();
            return self.take(")") && holds;
        }
        let Some(licence) = self.tokens.get(self.at) else {
            return false;
        };
        let mut licence = (*licence).to_owned();
        self.at += 1;
        if self.take("WITH") {
            licence.push_str(" WITH ");
            licence.push_str(self.tokens.get(self.at).copied().unwrap_or_default());
            self.at += 1;
        }
        self.allowed.contains(&licence)
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.tokens.get(self.at) == Some(&token);
        self.at += usize::from(found);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_hold_by_one_side_of_or_and_both_of_and() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        for good in [
            "MIT",
            "GPL-3.0 OR MIT",
            "MIT/GPL-3.0",
            "GPL-3.0 / MIT",
            "ISC AND MIT",
            "(GPL-3.0 OR MIT) AND ISC",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
        ] {
            assert!(allows(good, &allowed), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "GPL-3.0 AND MIT",
            "Apache-2.0",
            "(MIT OR GPL-3.0) AND GPL-3.0",
            "(MIT",
            "MIT)",
            "MIT GPL-3.0",
        ] {
            assert!(!allows(bad, &allowed), "{bad}");
        }
    }
}
