"""Networks in Jittor. Shapes: B images, N = h w patches, D embed_dim, K prototypes."""
