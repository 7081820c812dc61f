//! The statistics under the score: what a statement counts, Wilson's interval, the normal quantile, Kish's effective number.

use crate::{
    catalog::Importance,
    time::{MICROS_PER_DAY, Timestamp},
};

/// The confidence level of the intervals.
pub const CONFIDENCE: f64 = 0.95;
/// Below so many effective accounts a ranking says that it is not sure.
pub const EFFECTIVE_MIN: f64 = 30.0;

/// A statement counts in whole parts of 2⁻⁴⁰, so that whoever adds up integers adds up the same: one that is 40 half-lives old
/// counts nothing any more, wherever it is counted.
pub const PARTS: f64 = (1_u64 << 40) as f64;

/// What a statement of that time counts at `as_of`: its importance, halved with every half-life that it is old.
#[must_use]
pub fn faded(importance: Importance, time: Timestamp, as_of: Timestamp, half_life_days: f64) -> f64 {
    let age_micros = as_of.micros_since(time).max(0);
    let half_lives = age_micros as f64 / (half_life_days * MICROS_PER_DAY as f64);
    (importance.value() * (-half_lives).exp2() * PARTS).round_ties_even() / PARTS
}

/// Wilson's interval for a share `p` seen among `n` accounts, at the normal quantile `z`. `p` is clamped to `[0, 1]`.
/// Without accounts it is `[0, 1]`.
///
/// The lower bound is computed from the upper one (their product is p²/(1+z²/n)): the textbook form subtracts two
/// numbers that are almost equal for small shares.
#[must_use]
pub fn wilson(p: f64, n: f64, z: f64) -> (f64, f64) {
    if n <= 0.0 {
        return (0.0, 1.0);
    }
    let p = p.clamp(0.0, 1.0);
    let z2 = z * z;
    let scale = 1.0 + z2 / n;
    let high = if p == 1.0 {
        1.0
    } else {
        let middle = p + z2 / (2.0 * n);
        let spread = z * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
        f64::min(1.0, (middle + spread) / scale)
    };
    let low = if p == 0.0 { 0.0 } else { p * p / (scale * high) };
    (low, high)
}

/// Kish's effective number of accounts from the sum of their weights and the sum of the squares; 0 without accounts.
#[must_use]
pub fn kish(weights: f64, squares: f64) -> f64 {
    if squares > 0.0 { weights * weights / squares } else { 0.0 }
}

/// How far asking and needing go together: the correlation of two yes-or-no answers with the shares `d` and `u`, of which
/// the share `both` says yes to both; cut to `[0, 1]`, and 0 where one of them never or always is yes.
#[must_use]
pub fn overlap(d: f64, u: f64, both: f64) -> f64 {
    let scale = (d * (1.0 - d) * u * (1.0 - u)).sqrt();
    // Written so that NaN, of shares beyond 0 and 1, is 0 as well.
    if scale > 0.0 { ((both - d * u) / scale).clamp(0.0, 1.0) } else { 0.0 }
}

/// The z at which an interval of this confidence, cut equally at both ends, is made.
#[must_use]
pub fn two_sided_z(confidence: f64) -> f64 {
    normal_quantile(1.0 - (1.0 - confidence) / 2.0)
}

/// The quantile Phi⁻¹(p) of the standard normal distribution, to about 1 part in 10¹⁵; -∞ at 0, +∞ at 1, NaN beyond.
///
/// Wichura's algorithm AS 241 (PPND16), Applied Statistics 37 (1988): rational approximations in three ranges.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&CENTRE.0, r) / polynomial(&CENTRE.1, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    if tail == 0.0 {
        return f64::INFINITY.copysign(q);
    }
    let r = (-tail.ln()).sqrt();
    let (coefficients, r) = if r <= 5.0 { (&MIDDLE, r - 1.6) } else { (&FAR, r - 5.0) };
    (polynomial(&coefficients.0, r) / polynomial(&coefficients.1, r)).copysign(q)
}

/// Numerator and denominator, lowest power first.
type Ratio = ([f64; 8], [f64; 8]);

fn polynomial(coefficients: &[f64; 8], r: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * r + coefficient)
}

const CENTRE: Ratio = (
    [
        3.387_132_872_796_366_6,
        1.331_416_678_917_843_8e2,
        1.971_590_950_306_551_4e3,
        1.373_169_376_550_946e4,
        4.592_195_393_154_987e4,
        6.726_577_092_700_87e4,
        3.343_057_558_358_813e4,
        2.509_080_928_730_122_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091e1,
        6.871_870_074_920_579e2,
        5.394_196_021_424_751e3,
        2.121_379_430_158_659_7e4,
        3.930_789_580_009_271e4,
        2.872_908_573_572_194_3e4,
        5.226_495_278_852_854e3,
    ],
);

const MIDDLE: Ratio = (
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        2.417_807_251_774_506e-1,
        2.272_384_498_926_918_4e-2,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        6.897_673_349_851e-1,
        1.481_039_764_274_800_8e-1,
        1.519_866_656_361_645_7e-2,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
);

const FAR: Ratio = (
    [
        6.657_904_643_501_104,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        2.965_605_718_285_048_7e-1,
        2.653_218_952_657_612_4e-2,
        1.242_660_947_388_078_4e-3,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ],
    [
        1.0,
        5.998_322_065_558_879e-1,
        1.369_298_809_227_358e-1,
        1.487_536_129_085_061_5e-2,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ],
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wilson_gives_the_published_values() {
        for (successes, n, low, high) in [
            (0.0, 10.0, 0.0, Some(0.277_540)),
            (1.0, 1.0, 0.206_543, Some(1.0)),
            (2.0, 2.0, 0.342_372, None),
            (5.0, 10.0, 0.236_590, Some(0.763_410)),
            (10.0, 100.0, 0.055_229, Some(0.174_367)),
            (60.0, 400.0, 0.118_344, Some(0.188_314)),
            (100.0, 101.0, 0.946_032, Some(0.998_250)),
            (600.0, 1000.0, 0.569_309, None),
            (5500.0, 10_000.0, 0.540_232, None),
        ] {
            let found = wilson(successes / n, n, 1.96);
            assert!((found.0 - low).abs() < 1e-6, "{successes}/{n}: {found:?}");
            assert!(high.is_none_or(|high| (found.1 - high).abs() < 1e-6), "{successes}/{n}: {found:?}");
        }
        assert!(wilson(0.0, 10.0, 1.96).0.is_sign_positive());
        assert_eq!(wilson(0.0, 0.0, 1.96), (0.0, 1.0));
    }

    #[test]
    fn normal_quantile_gives_the_published_values() {
        for (p, z) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.025, -1.959_963_984_540_054),
            (0.9, 1.281_551_565_544_600_4),
            (0.95, 1.644_853_626_951_472_7),
            (0.99, 2.326_347_874_040_841),
            (0.999, 3.090_232_306_167_813_6),
            (1e-10, -6.361_340_902_404_056),
            (1e-20, -9.262_340_089_798_408),
            (1e-300, -37.047_096_299_361_2),
        ] {
            let found = normal_quantile(p);
            assert!((found - z).abs() < 1e-12, "{p}: {found}");
        }
        assert!((two_sided_z(CONFIDENCE) - 1.959_963_984_540_054).abs() < 1e-12);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert!(normal_quantile(1.1).is_nan());
    }

    #[test]
    fn a_statement_counts_less_and_less_and_in_the_end_nothing() {
        let faded = |days: f64| faded(Importance::Critical, Timestamp(0).minus_days(days), Timestamp(0), 1.0);
        assert_eq!(faded(0.0), 1.0);
        assert_eq!(faded(10.0), 1.0 / 1024.0);
        assert_eq!(faded(40.0), 1.0 / PARTS);
        assert_eq!(faded(42.0), 0.0);
        assert_eq!(super::faded(Importance::NiceToHave, Timestamp(5), Timestamp(0), 1.0) * PARTS, 366_503_875_925.0);
    }

    proptest! {
        #[test]
        fn wilson_holds_the_share_and_stays_within_0_and_1(p in 0.0..=1.0_f64, n in 0.1..1e7_f64, z in 0.1..6.0_f64) {
            let (low, high) = wilson(p, n, z);
            prop_assert!(0.0 <= low && low <= p + 1e-12 && p <= high + 1e-12 && high <= 1.0, "{} {} {}", low, p, high);
        }

        #[test]
        fn wilson_mirrors(p in 0.0..=1.0_f64, n in 0.1..1e7_f64) {
            let (low, high) = wilson(p, n, 1.96);
            let (mirror_low, mirror_high) = wilson(1.0 - p, n, 1.96);
            prop_assert!((low - (1.0 - mirror_high)).abs() < 1e-9);
            prop_assert!((high - (1.0 - mirror_low)).abs() < 1e-9);
        }

        #[test]
        fn the_normal_quantile_rises(p in 1e-9..0.999_f64) {
            prop_assert!(normal_quantile(p) < normal_quantile(p + 1e-4));
        }
    }
}
