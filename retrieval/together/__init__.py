"""Pictures put together: aligned, stitched, fused; and cleaned of noise."""
