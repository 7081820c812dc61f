//! The families of worlds: how shares spread, how many features, what accounts weigh, whether those who ask also need,
//! what statements count.

use std::fmt;

/// How many features a family's worlds have unless its name says otherwise.
pub const FEATURES_USUAL: usize = 10;

/// A family of worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Family {
    /// How the true shares lie.
    pub shape: Shape,
    /// How many features there are.
    pub features: usize,
    /// What accounts weigh.
    pub weights: Weights,
    /// Whether the accounts that ask are those that need.
    pub link: Link,
    /// What statements count.
    pub statements: Statements,
    /// Whether accounts decide by themselves.
    pub behaviour: Behaviour,
}

/// How the true shares lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// All within about a point of each other.
    NearTies,
    /// Beta(0.8, 8) asked, Beta(0.8, 5) needed: many small, a few large.
    Spread,
    /// Near ties, and one feature far above them.
    Outlier,
    /// Threes of exactly equal features, three points between them.
    Tied,
    /// All below a few points, one in ten neither asked for nor needed by anyone.
    Rare,
    /// All between a third and four fifths.
    Common,
}

/// What accounts weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weights {
    /// All the same.
    Equal,
    /// 1, 2 and 3: seven, two and one in ten. Heavy accounts ask for some features more often, for others less.
    OneTwoThree,
}

/// Whether the accounts that ask are those that need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Link {
    /// The one says nothing about the other.
    Independent,
    /// Nine in ten answers come from one and the same inclination.
    Correlated,
}

/// What statements count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statements {
    /// Of every importance, and of ages up to some part of half a year, otherwise for every feature.
    Mixed,
    /// All critical and of today, so that an account counts 1 or 0: the most that a share can vary.
    Fresh,
}

/// Whether accounts decide by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Behaviour {
    /// They do.
    Apart,
    /// So many always do the same: subsidiaries of one customer that count as accounts of their own.
    Herds(usize),
    /// They do, and ask for exactly one of the features and need exactly one.
    OneChoice,
}

impl Shape {
    /// Every shape.
    pub const ALL: [Self; 6] = [Self::NearTies, Self::Spread, Self::Outlier, Self::Tied, Self::Rare, Self::Common];

    /// Its name in families.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NearTies => "near_ties",
            Self::Spread => "spread",
            Self::Outlier => "outlier",
            Self::Tied => "tied",
            Self::Rare => "rare",
            Self::Common => "common",
        }
    }
}

impl Family {
    /// The usual family of the shape: 10 features, equal weights, asking and needing independent, mixed statements.
    #[must_use]
    pub fn usual(shape: Shape) -> Self {
        Self {
            shape,
            features: FEATURES_USUAL,
            weights: Weights::Equal,
            link: Link::Independent,
            statements: Statements::Mixed,
            behaviour: Behaviour::Apart,
        }
    }

    /// Every family that the bounds hold for.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut families = Vec::new();
        for shape in Shape::ALL {
            for features in [2, 3, 5, FEATURES_USUAL, 28] {
                for weights in [Weights::Equal, Weights::OneTwoThree] {
                    for link in [Link::Independent, Link::Correlated] {
                        for statements in [Statements::Mixed, Statements::Fresh] {
                            families.push(Self { features, weights, link, statements, ..Self::usual(shape) });
                        }
                    }
                }
            }
        }
        families
    }

    /// Families that the method does not cover, to show what that costs.
    #[must_use]
    pub fn uncovered() -> Vec<Self> {
        let mut families = Vec::new();
        for shape in [Shape::NearTies, Shape::Spread] {
            for behaviour in [Behaviour::Herds(2), Behaviour::Herds(5), Behaviour::OneChoice] {
                families.push(Self { behaviour, statements: Statements::Fresh, ..Self::usual(shape) });
            }
        }
        let choice = Self { behaviour: Behaviour::OneChoice, ..Self::usual(Shape::NearTies) };
        families.push(Self { features: 2, statements: Statements::Fresh, ..choice });
        families
    }
}

/// Such as `near_ties_28_features_weighted_correlated`; what is usual is left out.
impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shape.name())?;
        if self.features != FEATURES_USUAL {
            write!(f, "_{}_features", self.features)?;
        }
        if self.weights == Weights::OneTwoThree {
            f.write_str("_weighted")?;
        }
        if self.link == Link::Correlated {
            f.write_str("_correlated")?;
        }
        if self.statements == Statements::Fresh {
            f.write_str("_fresh")?;
        }
        match self.behaviour {
            Behaviour::Apart => Ok(()),
            Behaviour::Herds(size) => write!(f, "_herds_of_{size}"),
            Behaviour::OneChoice => f.write_str("_one_choice"),
        }
    }
}
