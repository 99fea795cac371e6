from tests.pipeline.runtime.cuda.drawn_toolkits import nothing_installed

__all__ = ["nothing_installed"]
