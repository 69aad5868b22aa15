//! A metric for each value of a label. All values are known when the relay is built: there is a series for each from the
//! start, and it is found by its place, not by its text.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// The values of a label, or of several together.
pub(crate) trait Label: Copy + Send + Sync + 'static {
    /// Every value, in the order of [`place`](Self::place).
    const ALL: &'static [Self];

    /// Names and values, as they are told.
    fn set(self) -> impl EncodeLabelSet;

    /// Where it stands in [`ALL`](Self::ALL).
    fn place(self) -> usize;
}

/// See the module's head. A clone is another handle of the same metrics.
pub(crate) struct Labelled<L, M> {
    each: Arc<[M]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label, M: Default> Default for Labelled<L, M> {
    fn default() -> Self {
        Self { each: L::ALL.iter().map(|_| M::default()).collect(), label: PhantomData }
    }
}

impl<L, M> Clone for Labelled<L, M> {
    fn clone(&self) -> Self {
        Self { each: self.each.clone(), label: PhantomData }
    }
}

impl<L: Label, M> Labelled<L, M> {
    pub(crate) fn of(&self, label: L) -> &M {
        &self.each[label.place()]
    }
}

impl<L: Label, M: EncodeMetric + TypedMetric> EncodeMetric for Labelled<L, M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (label, metric) in L::ALL.iter().zip(self.each.iter()) {
            metric.encode(encoder.encode_family(&label.set())?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }
}

impl<L, M> fmt::Debug for Labelled<L, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Labelled").finish_non_exhaustive()
    }
}

/// An enum whose variants are the values of one label.
macro_rules! labels {
    ($(#[$about:meta])* enum $name:ident = $label:literal { $($(#[$means:meta])* $variant:ident = $value:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$means])* $variant),+ }

        impl $name {
            /// As it is told.
            pub(crate) const fn value(self) -> &'static str {
                match self { $(Self::$variant => $value),+ }
            }
        }

        impl $crate::metrics::Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant),+];

            fn set(self) -> impl prometheus_client::encoding::EncodeLabelSet {
                [($label, self.value())]
            }

            fn place(self) -> usize {
                self as usize
            }
        }
    };
}
pub(super) use labels;
