"""Detection on files: images, folders and videos, with the boxes drawn on copies of them."""
