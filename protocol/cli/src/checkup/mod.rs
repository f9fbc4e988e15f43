//! The findings of a `doctor`: what was looked at, whether it is well, and what to do where it is not.

pub mod machine;

use leasehold_protocol::code::Code;
use serde::Serialize;

use crate::{Exit, Failure, Output, People};

/// All findings of one visit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Checkup {
    verdict: Verdict,
    checks: Vec<Finding>,
}

/// How something is. The order is that of gravity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Well.
    #[default]
    Ok,
    /// It works, and will not for ever.
    Warning,
    /// It does not work.
    Failure,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    check: &'static str,
    verdict: Verdict,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Finding {
    /// It is well.
    pub fn ok(check: &'static str, detail: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, detail: detail.into(), code: None, hint: None }
    }

    /// It works, and will not for ever. `hint` says what to do.
    pub fn warning(check: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Self {
        let hint = Some(hint.into());
        Self { check, verdict: Verdict::Warning, detail: detail.into(), code: None, hint }
    }

    /// It does not work. The code decides the exit of the program.
    pub fn failure(check: &'static str, failure: &Failure) -> Self {
        let problem = failure.problem();
        Self {
            check,
            verdict: Verdict::Failure,
            detail: problem.detail.clone(),
            code: Some(failure.code()),
            hint: Some(problem.hint.clone()),
        }
    }

    /// How it is.
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }
}

impl Checkup {
    /// Adds a finding.
    pub fn add(&mut self, finding: Finding) {
        self.verdict = self.verdict.max(finding.verdict);
        self.checks.push(finding);
    }

    /// Prints all findings. The exit is that of the first failure; warnings are no failure.
    pub fn answer(&self, output: Output) -> Result<Exit, Failure> {
        output.answer(self, &self.for_people())?;
        Ok(self.exit())
    }

    fn exit(&self) -> Exit {
        self.checks.iter().find_map(|finding| finding.code).map_or(Exit::DONE, Exit::of)
    }

    fn for_people(&self) -> People {
        let lines: Vec<String> = self.checks.iter().map(Finding::for_people).collect();
        People::sentence(lines.join("\n"))
    }
}

impl Finding {
    fn for_people(&self) -> String {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failure => "failure",
        };
        let line = crate::text::one_line(&format!("[{verdict}] {}: {}", self.check, self.detail));
        match &self.hint {
            Some(hint) => format!("{line}\n    {}", crate::text::one_line(hint)),
            None => line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_finding_is_the_verdict_and_the_first_failure_the_exit() {
        let mut checkup = Checkup::default();
        checkup.add(Finding::ok("clock", "synchronised"));
        assert_eq!((checkup.verdict, checkup.exit()), (Verdict::Ok, Exit::DONE));
        checkup.add(Finding::warning("disk", "nearly full", "make room"));
        assert_eq!((checkup.verdict, checkup.exit()), (Verdict::Warning, Exit::DONE));
        for code in [Code::JournalDamaged, Code::ConfigInvalid] {
            checkup.add(Finding::failure("journal", &Failure::new(code, "damaged", "restore it")));
            let expected = (Verdict::Failure, Exit::of(Code::JournalDamaged));
            assert_eq!((checkup.verdict, checkup.exit()), expected);
        }
        let people =
            "[ok] clock: synchronised\n[warning] disk: nearly full\n    make room\n[failure] journal: ";
        assert!(format!("{:?}", checkup.for_people()).contains(&people.replace('\n', "\\n")));
    }
}
