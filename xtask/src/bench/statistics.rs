//! Medians and quartiles.

/// What a series of figures comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) count: usize,
    pub(super) lower: f64,
    pub(super) median: f64,
    pub(super) upper: f64,
}

impl Summary {
    /// None of no figures.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |quarter| quantile(&sorted, quarter);
        Some(Self { count: sorted.len(), lower: at(1)?, median: at(2)?, upper: at(3)? })
    }
}

/// Where the quarter falls between two figures, as far between them as it falls.
fn quantile(sorted: &[f64], quarter: usize) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let (place, rest) = (last * quarter / 4, last * quarter % 4);
    let below = *sorted.get(place)?;
    let above = *sorted.get(place + 1).unwrap_or(&below);
    let part = [0.0, 0.25, 0.5, 0.75].get(rest)?;
    Some(below + (above - below) * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_figures() {
        let summary = Summary::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(summary, Summary { count: 4, lower: 1.75, median: 2.5, upper: 3.25 });
        assert_eq!(Summary::of(&[7.0]).unwrap(), Summary { count: 1, lower: 7.0, median: 7.0, upper: 7.0 });
        assert_eq!(Summary::of(&[]), None);
    }
}
