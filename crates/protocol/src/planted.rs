//! Bugs on purpose: each breaks one rule, and the simulator must find each. They show that the rules are needed and that the
//! simulator can see.

/// A rule left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// I1: inserts when the intent is sent, not when it is committed.
    InsertBeforeIntent,
    /// I1: takes over declared ranges without committing them again under its own membership.
    ReplayWithoutConfirming,
    /// I1: inserts however long ago the group last heard of us.
    NoFenceCheck,
    /// I1: takes a commit without an answer for one that failed, and goes on in the same membership.
    UnknownCommitIsFailed,
    /// I2: takes no notice of the declared ranges after an assignment.
    IgnoreDeclared,
    /// I2: lets a partition go while a commit of it is queued or under way.
    ReleaseBeforeCommitAnswered,
    /// I3: moves the low-water mark over a range whose predecessor is not durable.
    LowWaterSkips,
    /// I3: takes an ambiguous insert for an acknowledged one.
    AmbiguousIsOk,
    /// I3: trusts the acknowledgement of an insert after another owner may have used its token.
    TrustAcknowledgementAfterSplit,
    /// I4: replays with a token of its own.
    ReplayWithAnotherToken,
    /// I5: sends whole ranges where some rows are there.
    InsertWhole,
    /// I5: numbers the token although the one before was never acknowledged.
    NumberUnacknowledged,
    /// I5: numbers the token although the earlier insert may still run.
    NumberWhileRunning,
    /// I5: numbers the token after a look that is older than the earlier insert's death.
    NumberOnOldLook,
    /// I6: never tries again.
    ForgetRetries,
}

#[cfg(any(test, feature = "simulator"))]
impl Bug {
    pub(crate) const ALL: [Self; 15] = [
        Self::InsertBeforeIntent,
        Self::ReplayWithoutConfirming,
        Self::NoFenceCheck,
        Self::UnknownCommitIsFailed,
        Self::IgnoreDeclared,
        Self::ReleaseBeforeCommitAnswered,
        Self::LowWaterSkips,
        Self::AmbiguousIsOk,
        Self::TrustAcknowledgementAfterSplit,
        Self::ReplayWithAnotherToken,
        Self::InsertWhole,
        Self::NumberUnacknowledged,
        Self::NumberWhileRunning,
        Self::NumberOnOldLook,
        Self::ForgetRetries,
    ];
}
