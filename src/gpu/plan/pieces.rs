//! Divides a batch that is too large into pieces of rows.

use super::{Plan, Request, Strategy};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;

/// The division of a batch into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::gpu) struct Pieces {
    /// The maximum number of rows in a piece.
    pub(in crate::gpu) rows: usize,
    /// The number of pieces that are on the GPU at once.
    pub(in crate::gpu) in_flight: usize,
    /// The budget for the workspace of each piece, in bytes.
    pub(in crate::gpu) budget: u64,
}

impl Pieces {
    /// Returns one piece if the batch fits. Otherwise, returns pieces of about the same size. Two pieces
    /// share the budget: one is uploaded or read back while the GPU computes the other. If half of the
    /// budget is too small for one row, the pieces run one after the other.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] if not even one row fits.
    pub(in crate::gpu) fn of(request: &Request<'_>, strategy: Strategy) -> Result<Self, Error> {
        let alone =
            Pieces { rows: Plan::rows_at_once(request, strategy)?, in_flight: 1, budget: request.budget };
        if alone.rows == request.rows {
            return Ok(alone);
        }
        let budget = request.budget / 2;
        let pieces = Plan::rows_at_once(&Request { budget, ..*request }, strategy)
            .map_or(alone, |rows| Pieces { rows, in_flight: 2, budget });
        Ok(Pieces { rows: request.rows.div_ceil(request.rows.div_ceil(pieces.rows)), ..pieces })
    }
}

#[cfg(test)]
mod tests {
    use super::super::parts;
    use super::*;
    use crate::gpu::Capabilities;
    use crate::{Config, Precision};

    #[test]
    fn two_pieces_share_the_budget() {
        let config = Config::lstm(16, 32);
        let capabilities = &Capabilities::default();
        let parts = &parts(&config, Precision::F32, capabilities).unwrap()[..];
        let strategy = Strategy::HoistedStep;
        let of = |rows, budget| {
            let request = Request { budget, ..Request::usual(&config, parts, rows, 4, capabilities) };
            let pieces = Pieces::of(&request, strategy)?;
            // The pieces that were found fit.
            let piece = Request { rows: pieces.rows, budget: pieces.budget, ..request };
            Plan::new(&piece, strategy)?;
            Ok::<_, Error>((pieces.rows, pieces.in_flight, pieces.budget))
        };
        // A row's gates of one step take 512 bytes; the parameters of eight dispatches take 2048 bytes.
        assert_eq!(of(100, 60_000).unwrap(), (100, 1, 60_000));
        assert_eq!(of(100, 40_000).unwrap(), (34, 2, 20_000));
        assert_eq!(of(100, 6_000).unwrap(), (1, 2, 3_000));
        assert_eq!(of(100, 4_000).unwrap(), (3, 1, 4_000));
        assert_eq!(of(1, 4_000).unwrap(), (1, 1, 4_000));
        assert!(of(100, 2_000).is_err());
    }
}
