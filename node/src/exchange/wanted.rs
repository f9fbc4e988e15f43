//! Whether the node itself wants an exchange, be there news or not.

use std::time::Duration;

use leasehold_node_core::Contact;

/// What the node has to tell and wants to hear.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Seats went back, and the issuer has not confirmed to know it.
    report: bool,
    /// By the node's clock the issuer's word is old.
    old_word: bool,
    /// How long a word lasts.
    word: Duration,
}

impl Wanted {
    /// What a core says of its contact.
    pub(super) fn of(contact: &Contact<'_>) -> Self {
        let word = Duration::from_millis(u64::try_from(contact.word_ms).unwrap_or_default());
        Self { report: contact.has_report, old_word: contact.word_due, word }
    }

    /// Whether an exchange is wanted, so long after the last one that was answered. A clock that is far ahead calls every
    /// word old: a new one is believed for as long as it says itself.
    pub(super) fn is_due(&self, answered: Option<Duration>) -> bool {
        self.report || (self.old_word && answered.is_none_or(|ago| self.word <= ago))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_clock_does_not_ask_again_before_the_word_has_run_out() {
        let hour = Duration::from_hours(1);
        let wanted = Wanted { report: false, old_word: true, word: 12 * hour };
        assert!(wanted.is_due(None), "after a start");
        for (ago, due) in [(Duration::ZERO, false), (11 * hour, false), (12 * hour, true), (13 * hour, true)]
        {
            assert_eq!(wanted.is_due(Some(ago)), due, "{ago:?}");
            assert!(Wanted { report: true, ..wanted }.is_due(Some(ago)), "what went back is told at once");
            assert!(!Wanted { old_word: false, ..wanted }.is_due(Some(ago)));
        }
    }
}
