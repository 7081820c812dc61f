//! What can be different at two instants: eight switches, each at one of the two.

/// One of the two instants of a diff. Neither needs to be the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// The instant that the diff starts from.
    From,
    /// The instant that it leads to.
    To,
}

/// A value at either end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends<T> {
    /// At the instant that the diff starts from.
    pub from: T,
    /// At the instant that it leads to.
    pub to: T,
}

impl<T> Ends<T> {
    /// The value at this end.
    #[must_use]
    pub fn at(&self, end: End) -> &T {
        match end {
            End::From => &self.from,
            End::To => &self.to,
        }
    }

    /// What the function makes of either end.
    #[must_use]
    pub fn of(mut make: impl FnMut(End) -> T) -> Self {
        Self { from: make(End::From), to: make(End::To) }
    }

    /// Whether the two ends are different.
    #[must_use]
    pub fn differ(&self) -> bool
    where
        T: PartialEq,
    {
        self.from != self.to
    }
}

/// A reason why a score can be another at another instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Switch {
    /// The parameters, the windows' lengths among them, and the tiers' weights.
    Parameters,
    /// Whether the catalog lets a feature be listed: it does unless the feature is launched or retired.
    Status,
    /// Which features are merged into which.
    Merges,
    /// Which accounts are active, and their tiers.
    Population,
    /// The latest statements that are others at the later instant, and stand there.
    RequestsNew,
    /// The latest statements that are others at the later instant, and are withdrawn there.
    RequestsWithdrawn,
    /// The instant from which the statements' ages are counted.
    Fading,
    /// The need signals.
    Need,
}

impl Switch {
    /// Every switch, in the order of a diff.
    pub const ALL: [Self; 8] = [
        Self::Parameters,
        Self::Status,
        Self::Merges,
        Self::Population,
        Self::RequestsNew,
        Self::RequestsWithdrawn,
        Self::Fading,
        Self::Need,
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parameters => "parameters",
            Self::Status => "status",
            Self::Merges => "merges",
            Self::Population => "population",
            Self::RequestsNew => "requests_new",
            Self::RequestsWithdrawn => "requests_withdrawn",
            Self::Fading => "fading",
            Self::Need => "need",
        }
    }
}

/// Where each switch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    /// Bit n: whether the n-th switch is at [`End::To`].
    at_to: u8,
}

impl State {
    pub(super) const ALL_FROM: Self = Self { at_to: 0 };

    pub(super) fn with(self, switch: Switch) -> Self {
        Self { at_to: self.at_to | bit(switch) }
    }

    pub(super) fn end(self, switch: Switch) -> End {
        if self.at_to & bit(switch) == 0 { End::From } else { End::To }
    }

    /// The same with all but these switches at [`End::From`]: a key to what depends on these alone.
    pub(super) fn only(self, switches: &[Switch]) -> Self {
        Self { at_to: self.at_to & switches.iter().fold(0, |bits, switch| bits | bit(*switch)) }
    }
}

fn bit(switch: Switch) -> u8 {
    1 << switch as u8
}
