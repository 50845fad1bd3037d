//! Moving a layer to another device after its own device was lost.

use super::{Backend, Layer};
use crate::{Error, Weights};

impl Layer {
    /// Moves the layer to another backend, with the weights that it keeps: to a fresh device after
    /// [`Error::DeviceLost`], to another adapter, or to the CPU. The layer keeps its options, and a sequence
    /// can continue from a state that was saved before. A reload that fails leaves the layer unchanged.
    /// Earlier clones of the layer stay on their backend.
    ///
    /// # Errors
    ///
    /// [`Error::WeightsNotKept`] unless the layer was made with
    /// [`LayerOptions::keep_weights`](crate::LayerOptions::keep_weights) or is on [`Backend::Reference`],
    /// which always keeps them; those of [`Layer::with_options`].
    ///
    /// ```
    /// use wgpu_rnn::{Backend, Config, Error, Input, Layer, LayerOptions, State, Weights, ndarray::Array3};
    ///
    /// let weights = Weights::seeded(Config::gru(8, 16), 0)?;
    /// let backend = Backend::auto(weights.config(), 1, 50).backend;
    /// let mut layer = Layer::with_options(&weights, backend, &LayerOptions::default().keep_weights(true))?;
    /// let pieces = [Array3::<f32>::ones((1, 50, 8)), Array3::zeros((1, 50, 8))];
    ///
    /// // The state after the last piece that went well.
    /// let mut last = layer.forward(&Input::new(pieces[0].view()), State::zero())?;
    /// for piece in &pieces[1..] {
    ///     let input = Input::new(piece.view());
    ///     let next = match layer.forward(&input, last.state()) {
    ///         Err(Error::DeviceLost { .. }) => {
    ///             // Looks for adapters again, and opens a new device or takes the CPU.
    ///             layer.reload(Backend::auto(layer.config(), 1, 50).backend)?;
    ///             layer.forward(&input, last.state())?
    ///         }
    ///         result => result?,
    ///     };
    ///     last = next;
    /// }
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(not(target_arch = "wasm32"))]
    pub fn reload(&mut self, backend: Backend) -> Result<(), Error> {
        pollster::block_on(self.reload_async(backend))
    }

    /// Like [`Layer::reload`], without waiting for the device, as in [`Layer::new_async`]. If the future is
    /// dropped before it is ready, the layer is unchanged.
    ///
    /// # Errors
    ///
    /// The same as [`Layer::reload`].
    pub async fn reload_async(&mut self, backend: Backend) -> Result<(), Error> {
        let weights = self.weights.clone().ok_or(Error::WeightsNotKept)?;
        self.reload_with_async(&weights, backend).await
    }

    /// Like [`Layer::reload`], with weights from the caller: those that the layer was made from, or others
    /// of the same configuration.
    ///
    /// # Errors
    ///
    /// [`Error::OtherConfig`] for weights of another configuration; those of [`Layer::with_options`].
    ///
    /// ```
    /// use wgpu_rnn::{Backend, Config, Error, Layer, Weights};
    ///
    /// let weights = Weights::seeded(Config::gru(8, 16), 0)?;
    /// let mut layer = Layer::new(&weights, Backend::Cpu)?;
    /// assert!(matches!(layer.reload(Backend::Cpu), Err(Error::WeightsNotKept)));
    /// layer.reload_with(&weights, Backend::Cpu)?;
    /// # Ok::<(), Error>(())
    /// ```
    #[cfg(not(target_arch = "wasm32"))]
    pub fn reload_with(&mut self, weights: &Weights, backend: Backend) -> Result<(), Error> {
        pollster::block_on(self.reload_with_async(weights, backend))
    }

    /// Like [`Layer::reload_with`], without waiting for the device, as in [`Layer::reload_async`].
    ///
    /// # Errors
    ///
    /// The same as [`Layer::reload_with`].
    pub async fn reload_with_async(&mut self, weights: &Weights, backend: Backend) -> Result<(), Error> {
        if *weights.config() != self.config {
            return Err(Error::OtherConfig {
                expected: Box::new(self.config),
                found: Box::new(*weights.config()),
            });
        }
        let fresh = Layer::with_options_async(weights, backend, &self.options).await?;
        log::info!("{}: reloaded from {} to {}", self.config, self.backend, fresh.backend);
        *self = fresh;
        Ok(())
    }
}
